"""Which rules an aggregated ClusterRole has, in which order, and what wakes it."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, make, only, run, view_of
from understudy.kinds.meta import Key
from understudy.kinds.rbac import CLUSTER_ROLES, ClusterRole
from understudy.loop.controller import REGISTRY
from understudy.operators import clusterroleaggregation
from understudy.plan.steps import Patch, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["clusterrole-aggregation-controller"]
READ = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
WRITE = {"verbs": ["update"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["one"]}
LOGS = {"verbs": ["get"], "nonResourceURLs": ["/logs"]}


def part(name: str, *rules: dict[str, Any], to: str = "edit") -> ClusterRole:
    return make(CLUSTER_ROLES, name, labels={"to": to}, rules=list(rules))


def whole(*rules: dict[str, Any], to: Iterable[str] = ("edit",), **fields: Any) -> ClusterRole:
    selectors = [{"matchLabels": {"to": each}} for each in to]
    fields = {"rules": list(rules)} | fields
    return make(CLUSTER_ROLES, "whole", aggregationRule={"clusterRoleSelectors": selectors}, **fields)


def decide(*roles: ClusterRole) -> list[Step]:
    view = view_of({CLUSTER_ROLES: roles})
    steps = run(clusterroleaggregation.decide(roles[0], view, NOW), view)
    if steps:
        assert run(clusterroleaggregation.decide(held(view), view, NOW), view) == []
    return steps


def held(view: View) -> ClusterRole:
    found = view.get(CLUSTER_ROLES, "", "whole")
    assert found is not None
    return found


def test_rules_are_gathered_by_selector_and_name_each_once() -> None:
    roles = [part("z", READ), part("a", LOGS, WRITE), part("m", READ, to="view"), part("no", LOGS, to="else")]
    step = only(decide(whole(to=("view", "edit")), *roles), Patch)
    wanted = [READ, LOGS, WRITE]
    assert [{name: list(value) for name, value in rule.items()} for rule in step.body["rules"]] == wanted


def test_what_is_right_is_left_alone() -> None:
    assert decide(whole(READ), part("a", READ)) == []
    assert decide(whole(rules=None), part("a", READ, to="else")) == []
    assert decide(part("a", READ)) == []


def test_rules_of_nobody_are_taken_away() -> None:
    assert only(decide(whole(READ)), Patch).body == {"rules": []}
    empty = make(CLUSTER_ROLES, "whole", aggregationRule={"clusterRoleSelectors": None}, rules=[READ])
    assert only(decide(empty), Patch).body == {"rules": []}


def test_it_does_not_select_itself() -> None:
    step = only(decide(whole(READ, labels={"to": "edit"}), part("a", LOGS)), Patch)
    assert [list(rule["nonResourceURLs"]) for rule in step.body["rules"]] == [["/logs"]]


@given(st.lists(st.lists(st.sampled_from([READ, WRITE, LOGS]), max_size=3), max_size=3))
def test_it_settles_on_all_rules_and_no_other(parts: list[list[dict[str, Any]]]) -> None:
    roles = [part(f"p{number}", *rules) for number, rules in enumerate(parts)]
    view = view_of({CLUSTER_ROLES: [whole(), *roles]})
    run(clusterroleaggregation.decide(held(view), view, NOW), view)
    assert set(held(view).rules or ()) == {rule for role in roles for rule in role.rules or ()}
    assert run(clusterroleaggregation.decide(held(view), view, NOW), view) == []


def test_what_wakes_it() -> None:
    (roles,) = CONTROLLER.watches
    one = part("a", READ)
    assert list(roles.keys(one, view_of({CLUSTER_ROLES: [whole(), one]}))) == [Key("", "whole")]
    assert roles.when is not None
    assert roles.when(one, None)
    assert roles.when(None, one)
    assert roles.when(part("a", LOGS), one)
    assert roles.when(part("a", READ, to="view"), one)
    assert not roles.when(part("a", READ), one)
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(whole(), None)
    assert not CONTROLLER.when(one, None)
    assert not CONTROLLER.when(None, whole())
