"""Endpoints whose Service went while nobody watched, and those that were never a Service's."""

from tests.unit.operators.decisions import NOW, make, only, run, view_of, writes
from understudy.components import registry
from understudy.kinds.core import ENDPOINTS, SERVICES
from understudy.kinds.meta import Key
from understudy.operators import endpoints
from understudy.plan.steps import Delete


def test_what_is_left_of_a_gone_service_is_deleted() -> None:
    view = view_of({ENDPOINTS: [make(ENDPOINTS, "web")], SERVICES: []})
    step = only(run(endpoints.gone(Key("default", "web"), view, NOW), view), Delete)
    assert step.obj.name == "web"


def test_an_old_lock_is_left_alone() -> None:
    lock = make(ENDPOINTS, "lock", annotations={endpoints.LEADER: "{}"})
    view = view_of({ENDPOINTS: [lock], SERVICES: []})
    assert not writes(run(endpoints.gone(Key("default", "lock"), view, NOW), view))


def test_leftovers_are_looked_after_at_the_start() -> None:
    assert registry()["endpoints-controller"].seeds == (ENDPOINTS,)
