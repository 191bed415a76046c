"""Decisions in which HTTP extenders have a say: filtered, prioritized, preempted and bound by them too.

Here, and only here, a decision waits. So what was true before is looked at again after: the caller checks that the pod
still wants a node and that the node will still do. `loop` calls this for pods that an extender is concerned with.
Answers to findNodesThatPassExtenders and prioritizeNodes in schedule_one.go and to callExtenders in preemption.go.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import ApiError
from understudy.scheduler import diagnosis, extenders
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.extenders import Extender, ExtenderFailed, Json
from understudy.scheduler.http import Http
from understudy.scheduler.kinds import NODES, PODS, Pod
from understudy.scheduler.preemption import Plan, Preemption, Refusal
from understudy.scheduler.shape import PodInfo
from understudy.scheduler.state import State

log = logging.getLogger(__name__)

NONE_LEFT = "no candidate node for preemption"


class Consultation:
    """`choose` and `spare` raise ExtenderFailed; `bind` says what went wrong."""

    def __init__(self, client: Client, state: State, http: Http | None = None) -> None:
        self._client = client
        self._state = state
        self._http = http or Http()
        self._nodes: dict[str, Json] = {}
        self._nodes_at = -1

    async def choose(self, info: PodInfo, draw: float) -> Placement | Diagnosis:
        """As `Cycle.choose`, with the extenders' say."""
        scores = self._state.cycle.candidates(info)
        if not scores:
            return self._state.cycle.choose(info, draw)
        asked = info.shape.asked.extenders
        pod = await self._pod(info.pod)
        left, failed, final = list(scores), dict[str, str](), set[str]()
        for each in (one for one in asked if one.filterVerb):
            if left:
                said = await self._filter(each, pod, left)
                failed |= said.failed
                final |= said.final
                left = said.left
        if not left:
            return self._refused(info, failed, final)
        if len(left) > 1:
            await self._prioritize(asked, pod, left, scores)
        best = max(scores[name] for name in left)
        equals = [name for name in left if scores[name] == best]
        return Placement(equals[int(draw * len(equals))], best, len(equals))

    async def _filter(self, extender: Extender, pod: Json, names: Sequence[str]) -> extenders.Filtered:
        try:
            body = extenders.nodes_body(extender, pod, names, await self._objects(extender))
            answer = await self._http.post(extender, extender.filterVerb, body)
            return extenders.filtered(extender, names, answer)
        except ExtenderFailed as error:
            if not extender.ignorable:
                raise
            log.info("extender %s is done without: %s", extender.urlPrefix, error)
            return extenders.Filtered(list(names), {}, set())

    async def _prioritize(
        self, asked: Sequence[Extender], pod: Json, names: Sequence[str], scores: dict[str, int]
    ) -> None:
        """Add what they give; one that fails gives nothing."""
        asking = [each for each in asked if each.prioritizeVerb]
        for given in await asyncio.gather(*(self._given(each, pod, names) for each in asking)):
            for name, points in given.items():
                if name in scores:
                    scores[name] += points

    async def _given(self, extender: Extender, pod: Json, names: Sequence[str]) -> Mapping[str, int]:
        try:
            body = extenders.nodes_body(extender, pod, names, await self._objects(extender))
            return extenders.priorities(extender, await self._http.post(extender, extender.prioritizeVerb, body))
        except ExtenderFailed as error:
            log.info("extender %s gives no scores: %s", extender.urlPrefix, error)
            return {}

    def _refused(self, info: PodInfo, failed: Mapping[str, str], final: set[str]) -> Diagnosis:
        """Why no node is left: what the plugins say of the others, and the extenders of these."""
        columns, shape = self._state.columns, info.shape
        rows = np.flatnonzero(columns.real)
        counts, hopeful = diagnosis.count(shape, columns, rows)
        names = [columns.names[row] for row in rows.tolist()]
        counts[extenders.NAME] = Counter(failed[name] for name in names if name in failed)
        hopeful &= ~np.array([name in final for name in names], np.bool_)
        return diagnosis.told(columns, counts, rows[hopeful], may_preempt=info.pod.spec.preemptionPolicy != "Never")

    # Preemption

    async def spare(self, info: PodInfo, plans: Sequence[Plan]) -> list[Plan] | Refusal:
        """The plans that the extenders leave, with the victims they say."""
        left = list(plans)
        for each in (one for one in info.shape.asked.extenders if one.preemptVerb):
            if left:
                left = await self._spared(each, info, left)
        return left or NONE_LEFT

    async def _spared(self, extender: Extender, info: PodInfo, plans: list[Plan]) -> list[Plan]:
        try:
            pods = {} if extender.nodeCacheCapable else await self._victims(plans)
            body = extenders.preempt_body(extender, await self._pod(info.pod), plans, pods)
            said = extenders.spared(extender, await self._http.post(extender, extender.preemptVerb, body))
            return [self._plan(extender, node, *victims) for node, victims in said.items()]
        except ExtenderFailed as error:
            if not extender.ignorable:
                raise
            log.info("extender %s is done without: %s", extender.urlPrefix, error)
            return plans

    def _plan(self, extender: Extender, node: str, uids: Sequence[str], violations: int) -> Plan:
        there = {each.pod.uid: each for each in self._state.cache.on(node)}
        for uid in uids:
            if uid not in there:
                raise ExtenderFailed(
                    f"extender: {extender.urlPrefix} claims to preempt pod (UID: {uid}) on node: {node}, but the pod "
                    "is not found on that node"
                )
        return Preemption.planned(node, [there[uid] for uid in uids], violations)

    async def _victims(self, plans: Sequence[Plan]) -> dict[str, Json]:
        every = {each.pod.uid: each.pod for plan in plans for each in plan.victims}
        found = await asyncio.gather(*(self._pod(pod) for pod in every.values()))
        return dict(zip(every, found, strict=True))

    # Binding

    async def bind(self, extender: Extender, pod: Pod, node: str) -> str:
        """Have it bind the pod; "" if it says it did."""
        body = extenders.bind_body(pod.name, pod.namespace, pod.uid, node)
        try:
            return extenders.bind_error(await self._http.post(extender, extender.bindVerb, body))
        except ExtenderFailed as error:
            return str(error)

    async def stop(self) -> None:
        await self._http.close()

    # Objects whole, as extenders want them

    async def _pod(self, pod: Pod) -> Json:
        return await self._get(PODS.path(pod.namespace, pod.name))

    async def _objects(self, extender: Extender) -> Mapping[str, Json]:
        """The nodes, for an extender that does not know them: listed again when one has changed."""
        if extender.nodeCacheCapable:
            return {}
        version = self._state.columns.node_changes.end
        if self._nodes_at != version:
            items = (await self._get(NODES.path())).get("items") or ()
            self._nodes = {each["metadata"]["name"]: each for each in items}
            self._nodes_at = version
        return self._nodes

    async def _get(self, path: str) -> Json:
        try:
            found: Any = msgspec.json.decode(await self._client.call("GET", path))
        except (ApiError, Lost) as error:
            raise ExtenderFailed(str(error)) from error
        body: Json = found
        return body
