"""What our scheduler makes of a case: the same plugins, asked one by one, and the decision they add up to.

The objects go into the hooks that watches would call, so whatever the scheduler keeps of them is kept here too.
`__main__` and the tests call `judge`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tests.oracle_scheduler.verdict import Candidate, Judged, Rejection, Verdict
from understudy.api.client import Client
from understudy.scheduler.component import Scheduler
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.framework import Rejection as Rejected
from understudy.scheduler.kinds import Pod
from understudy.scheduler.loop import Loop
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.standing import judge as standing
from understudy.scheduler.standing import totals
from understudy.state.store import Store
from understudy.testing.fake import FakeApi

Rows = NDArray[np.intp]

NAME = "default-scheduler"

NOMINATED = "nominated"
"""Who turns a node down that would do but for the pods nominated for it."""


async def judge(case: Mapping[str, Any]) -> Verdict:
    """Our verdict. Needs a running loop, for the clock; nothing is started or sent."""
    scheduler = Scheduler(Client(FakeApi().transport()), [NAME])
    stores = {store.kind.kind: store for store in stores_of(scheduler)}
    for each in case["objects"]:
        saw(stores, each)
    loop = scheduler.loop
    if arguments := {each["name"]: each["args"] for each in case.get("pluginConfig", ())}:
        loop.profiles.set(NAME, {"arguments": arguments})
        loop.saw_profile(NAME, ())
    info = loop.shapes.describe(msgspec.convert(case["pod"], Pod))
    said = Verdict()
    rows = _looked_at(info.shape, loop, said)
    feasible = _filter(info, loop, rows, said)
    if len(feasible):
        _score(info.shape, loop, feasible, said)
    decided = loop.cycle.choose(info, 0.0)
    if isinstance(decided, Placement):
        said.chosen = decided.node
    else:
        _refuse(info, loop, decided, said)
    return said


def stores_of(scheduler: Scheduler) -> list[Store[Any]]:
    """All the scheduler watches."""
    return [watch.store for watch in scheduler._watches]


def saw(stores: Mapping[str, Store[Any]], manifest: Mapping[str, Any]) -> None:
    """Tell the scheduler of an object, if it is of a kind that it watches."""
    if (store := stores.get(manifest["kind"])) is not None:
        store.seen(msgspec.convert(manifest, store.kind.type))


def _looked_at(shape: Shape, loop: Loop, said: Verdict) -> Rows:
    """The rows of the nodes that filters are asked about."""
    columns = loop.columns
    rows = np.flatnonzero(columns.real)
    narrowed = shape.asked.narrowed()
    if narrowed is None:
        return rows
    if narrowed.reason:
        said.preFilter = narrowed.plugins[0]
        return rows[:0]
    said.names = sorted(narrowed.names)
    return columns.rows_named(narrowed.names)


def _filter(info: PodInfo, loop: Loop, rows: Rows, said: Verdict) -> Rows:
    """Every plugin about every row; the rows that are feasible."""
    columns, shape = loop.columns, info.shape
    for row in rows:
        said.nodes[columns.names[row]] = Judged(rejections={}, raw={}, scores={})
    for plugin in shape.asked.filters:
        _note(said, loop, plugin.NAME, rows, plugin.rejections(shape, columns, rows))
    for wide in shape.asked.wide:
        found = [Rejected(each.reason, each.where[rows], each.final[rows]) for each in wide.rejections(shape, columns)]
        _note(said, loop, wide.NAME, rows, found)
    passes = standing(shape, columns, rows) if len(rows) else np.zeros(0, np.bool_)
    feasible = [row for row, fits in zip(rows, passes, strict=True) if fits and loop.cycle._beside(info, int(row))]
    order = [*(each.NAME for each in shape.asked.filters), *(each.NAME for each in shape.asked.wide)]
    for row in rows:
        node = said.nodes[columns.names[row]]
        node.by = "" if row in feasible else next((name for name in order if name in node.rejections), NOMINATED)
    return np.array(feasible, np.intp)


def _note(said: Verdict, loop: Loop, name: str, rows: Rows, found: list[Rejected]) -> None:
    for reason, where, final in found:
        for at in np.flatnonzero(where):
            node = said.nodes[loop.columns.names[rows[at]]]
            one = node.rejections.setdefault(name, Rejection([], False))
            one.reasons.append(reason)
            one.final |= bool(final[at])


def _score(shape: Shape, loop: Loop, feasible: Rows, said: Verdict) -> None:
    columns = loop.columns
    weighted = totals(shape, columns, feasible)
    for at, row in enumerate(feasible):
        node = said.nodes[columns.names[row]]
        node.scores = {name: int(points[at]) for name, points in weighted.items()}
        node.total = sum(node.scores.values())
    for plugin, _ in shape.asked.scores:
        for row, points in zip(feasible, plugin.scores(shape, columns, feasible).tolist(), strict=True):
            said.nodes[columns.names[row]].raw[plugin.NAME] = points


def _refuse(info: PodInfo, loop: Loop, diagnosis: Diagnosis, said: Verdict) -> None:
    """What a user would read, and who would have to leave."""
    proposal = loop.room.propose(info, diagnosis, 0.0)
    for plugin in info.shape.asked.post_filters:
        diagnosis = diagnosis.after(plugin.post_filter(info)[0])
    said.message = diagnosis.message
    if isinstance(proposal, list):
        plan = loop.state.preemption.best(proposal)
        said.chosen, said.message = plan.node, diagnosis.preempting().message
        said.candidates = {
            each.node: Candidate([one.pod.name for one in each.victims], each.violations) for each in proposal
        }
    elif proposal:
        said.message = diagnosis.refused(proposal).message
