"""From the decision to the binding: Reserve, Permit, PreBind, Bind and PostBind of a profile's plugins.

`reserve` belongs to the decision and is synchronous; `run` is the pod's own task. Whatever fails, all that was reserved
is given back by every plugin, in reverse order. Steps are played by the one applier, with the rights their plugin
declares. `loop` calls this for pods that are not bound `direct`ly. Answers to `schedulingCycle` and `bindingCycle` in
pkg/scheduler/schedule_one.go.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.errors import ApiError, PartlyDone
from understudy.plan.apply import Applier, Writer, allowances
from understudy.plan.explain import Record
from understudy.plan.steps import Step
from understudy.scheduler.bind import Outcome, Result, bind, look
from understudy.scheduler.consult import Consultation
from understudy.scheduler.diagnosis import no_node
from understudy.scheduler.framework import Named, Refused, Steps, Until, Writing
from understudy.scheduler.held import Held, Pending
from understudy.scheduler.metrics import PERMIT_SECONDS, PLUGIN_SECONDS
from understudy.scheduler.shape import PodInfo
from understudy.scheduler.status import UNSCHEDULABLE

Free = Callable[[], Awaitable[None]]
"""Returns when one more binding may be sent."""


class Binder:
    """One a process. `pending` is to be poked after every change that steps may wait for."""

    def __init__(
        self,
        client: Client,
        applier: Applier,
        held: Held,
        pending: Pending,
        consultation: Consultation,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._applier = applier
        self._held = held
        self._pending = pending
        self._consultation = consultation
        self._clock = clock

    # Part of the decision

    def reserve(self, info: PodInfo, node: str) -> str:
        """Have the plugins keep what they keep, and ask those that permit; what to tell if one refuses, or ""."""
        asked = info.shape.asked
        refused = next((why for each in asked.reserve if (why := each.reserve(info, node))), "")
        refused = refused or self._permit(info, node)
        if refused:
            self.unreserve(info, node)
            return f"{no_node(1)} 1 {refused}."
        return ""

    def unreserve(self, info: PodInfo, node: str) -> None:
        """Give all of it back."""
        for each in reversed(info.shape.asked.reserve):
            each.unreserve(info, node)

    def _permit(self, info: PodInfo, node: str) -> str:
        now, until = asyncio.get_running_loop().time(), {}
        for each in info.shape.asked.permit:
            said = each.permit(info, node)
            if said.refused:
                return said.refused
            if said.wait > 0:
                until[each.NAME] = now + said.wait
        if until:
            self._held.hold(info, until)
        return ""

    # The pod's own task

    async def run(self, info: PodInfo, node: str, free: Free) -> Result:
        """Wait, prepare and bind. Raises Fenced."""
        try:
            result = await self._prepare(info, node)
            if result is None:
                await free()
                result = await self._bind(info, node)
        except BaseException:
            self.unreserve(info, node)
            raise
        if result.outcome is Outcome.BOUND:
            for each in info.shape.asked.post_bind:
                each.post_bind(info, node)
        else:
            self.unreserve(info, node)
        return result

    async def _prepare(self, info: PodInfo, node: str) -> Result | None:
        """None if the pod may be bound now."""
        held, began = info.uid in self._held.held(), time.perf_counter()
        refused = await self._held.wait(info.uid)
        if held:
            PERMIT_SECONDS.labels("Unschedulable" if refused else "Success").observe(time.perf_counter() - began)
        if refused:
            return Result(Outcome.FAILED, f"{no_node(1)} 1 {refused}.", UNSCHEDULABLE)
        for each in info.shape.asked.pre_bind:
            began, steps = time.perf_counter(), each.pre_bind(info, node)
            error = "" if steps is None else await self.play(each, steps, info)
            took, status = time.perf_counter() - began, "Error" if error else "Success"
            PLUGIN_SECONDS.labels(each.NAME, "PreBind", status).observe(took)
            if error:
                return Result(Outcome.FAILED, f'running PreBind plugin "{each.NAME}": {error}')
        return None

    async def _bind(self, info: PodInfo, node: str) -> Result:
        """By the extender that binds such pods, by the first plugin that has steps for it, or as DefaultBinder does."""
        binder = info.shape.asked.binder
        if binder is not None:
            error = await self._consultation.bind(binder, info.pod, node)
            return await look(self._client, info.pod, node, error) if error else Result(Outcome.BOUND)
        for each in info.shape.asked.bind:
            steps = each.bind(info, node)
            if steps is None:
                continue
            error = await self.play(each, steps, info)
            if error:
                return await look(self._client, info.pod, node, f'running Bind plugin "{each.NAME}": {error}')
            return Result(Outcome.BOUND)
        return await bind(self._client, info.pod, node)

    async def play(self, plugin: Named, steps: Steps, info: PodInfo) -> str:
        """Play steps to their end; what they met and did not catch, as text. Raises Fenced."""
        rights = plugin.RIGHTS if isinstance(plugin, Writing) else ()
        pod = info.pod
        record = Record(plugin.NAME, pod.key, self._clock(), pod.metadata.resourceVersion)
        writer = Writer(pod.spec.schedulerName, allowances(rights), lambda _: None, record)
        answer: Any = None
        met: Exception | None = None
        while True:
            try:
                step = steps.send(answer) if met is None else steps.throw(met)
            except StopIteration:
                return ""
            except (ApiError, Lost, PartlyDone, Refused) as error:
                return str(error)
            answer = met = None
            try:
                answer = await self._perform(step, writer)
            except (ApiError, Lost, PartlyDone) as error:
                met = error

    async def _perform(self, step: Step | Until, writer: Writer) -> Any:
        if isinstance(step, Until):
            return await self._pending.wait(step.ready, step.timeout)
        return await self._applier.perform(step, writer)
