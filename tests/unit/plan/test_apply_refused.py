"""What a refused create says about a name that the applier chose: nothing, so that the same refusal reads the same."""

from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import Script
from tests.unit.plan.playing import WHY, Desk, pod
from understudy.api.transport import Answer
from understudy.errors import Forbidden, Invalid
from understudy.kinds.core import PODS
from understudy.plan.steps import Create

pytestmark = VIRTUAL_TIME
CAUSE = 'error looking up service account default/nobody: serviceaccount "nobody" not found'


class Refusing(Script):
    """A server that refuses every object by its name."""

    def __init__(self, status: int, reason: str, verdict: str) -> None:
        super().__init__()
        self._status, self._reason, self._verdict = status, reason, verdict

    async def request(self, method: str, path: str, body: bytes | None = None, **options: Any) -> Answer:
        name = msgspec.json.decode(body or b"")["metadata"]["name"]
        said = {"reason": self._reason, "message": f'pods "{name}" is {self._verdict}', "details": {"kind": "pods"}}
        self.answers.append(Answer(self._status, msgspec.json.encode({"kind": "Status", **said})))
        return await super().request(method, path, body, **options)


def create(**names: str) -> Create:
    return Create(PODS, "default", pod(**names), WHY)


async def test_a_forbidden_create_is_told_as_upstream_tells_it() -> None:
    """Upstream lets the server name a Pod, and admission comes before that: its Events of one cause are one Event."""
    desk = Desk(transport=Refusing(403, "Forbidden", f"forbidden: {CAUSE}"))
    for _ in range(2):
        with pytest.raises(Forbidden) as met:
            await desk.do(create(prefix="web-"))
        assert str(met.value) == met.value.message == f'pods "web-" is forbidden: {CAUSE}'
        assert (met.value.status, met.value.reason, met.value.details) == (403, "Forbidden", {"kind": "pods"})


async def test_a_name_that_was_asked_for_is_told() -> None:
    desk = Desk(transport=Refusing(403, "Forbidden", f"forbidden: {CAUSE}"))
    with pytest.raises(Forbidden, match=r'^pods "web-1" is forbidden'):
        await desk.do(create(name="web-1"))


async def test_an_invalid_object_was_named_before_it_was_looked_at() -> None:
    desk = Desk(transport=Refusing(422, "Invalid", "invalid: spec"))
    with pytest.raises(Invalid, match=r'^pods "web-[a-z0-9]{5}" is invalid'):
        await desk.do(create(prefix="web-"))
