"""Declarations: what a decorator registers, what a controller watches, and the RBAC rules that follow."""

from datetime import datetime
from typing import Any

import pytest

from tests.unit.loop.widgets import API, PARTS, WIDGETS, Census, made, owned_by
from understudy.components import registry
from understudy.kinds.core import NODES, PODS
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, ObjectMeta, OwnerReference
from understudy.loop import controller as module
from understudy.loop.controller import REGISTRY, On, Right, controller, may, owned
from understudy.loop.rights import binding, cluster_role, rules
from understudy.operators.custom import upstream
from understudy.plan.steps import Decision
from understudy.state.view import View

VIEW = View({})


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The registry, but for this test."""
    mine: dict[str, Any] = {}
    monkeypatch.setattr(module, "REGISTRY", mine)
    return mine


def declare(name: str = "widget-controller", **more: Any) -> Any:
    @controller(name, of=WIDGETS, rights=(may("patch", WIDGETS),), upstream="pkg/controller/widget", **more)
    def decide(obj: Obj, view: View, now: datetime) -> Decision:
        """Widgets are whole.

        And more is said about it here.
        """
        yield from ()

    return decide


class TestRegistering:
    def test_what_is_declared_is_registered_and_the_decision_stays_a_function(self, empty: dict[str, Any]) -> None:
        decide = declare(watches=(owned(PARTS, WIDGETS),), reads=(PODS,), workers=9)
        found = empty["widget-controller"]
        assert found.decide is decide
        assert (found.kind, found.workers, found.upstream) == (WIDGETS, 9, "pkg/controller/widget")
        assert found.about == "Widgets are whole."
        assert found.rights == (Right(("patch",), "example.com", "widgets"),)
        assert [kind.id for kind in found.kinds] == [WIDGETS.id, PARTS.id, PODS.id]
        assert found.source == "widget-controller-controller"

    def test_a_source_of_its_own(self, empty: dict[str, Any]) -> None:
        declare(source="widgets")
        assert empty["widget-controller"].source == "widgets"

    def test_a_name_twice_is_refused(self, empty: dict[str, Any]) -> None:
        declare()
        with pytest.raises(ValueError, match="two controllers are called 'widget-controller'"):
            declare()

    def test_each_kind_is_watched_once_and_a_trackers_own_is_not(self) -> None:
        nobody = On(WIDGETS, lambda obj, view: ())
        assert made(watches=(nobody, On(PARTS, lambda obj, view: ())), reads=(PARTS,)).kinds == (WIDGETS, PARTS)
        assert made(tracker=Census).kinds == ()

    def test_every_real_one_says_what_it_is_for(self) -> None:
        every = registry()
        assert every is REGISTRY
        for name, found in every.items():
            assert name == found.name
            assert found.about, f"{name} does not say what it keeps true"
            if name not in upstream.OWN:
                assert found.upstream.startswith(("pkg/controller/", "k8s.io/cloud-provider/")), name


class TestRights:
    @pytest.mark.parametrize(
        ("right", "wanted"),
        [
            (may("create delete", PODS), Right(("create", "delete"), "", "pods")),
            (may("patch", WIDGETS, "status"), Right(("patch",), "example.com", "widgets/status")),
        ],
    )
    def test_in_words(self, right: Right, wanted: Right) -> None:
        assert right == wanted


class TestOwned:
    def keys(self, part: Obj, owner: Kind[Any] = WIDGETS) -> list[Key]:
        return list(owned(PARTS, owner).keys(part, VIEW))

    def part(self, **changes: Any) -> Obj:
        reference: dict[str, Any] = {**owned_by("a")["ownerReferences"][0], **changes}
        return Obj(ObjectMeta("part", "ns", ownerReferences=[OwnerReference(**reference)]))

    def test_the_controller_reference_names_the_key(self) -> None:
        assert self.keys(self.part()) == [Key("ns", "a")]

    def test_a_cluster_scoped_owner_has_no_namespace(self) -> None:
        part = self.part(apiVersion="v1", kind="Node", name="n1")
        assert self.keys(part, NODES) == [Key("", "n1")]

    def test_any_version_of_the_group_will_do(self) -> None:
        assert self.keys(self.part(apiVersion="example.com/v7")) == [Key("ns", "a")]

    @pytest.mark.parametrize("change", [{"controller": None}, {"kind": "Gadget"}, {"apiVersion": "other.io/v1"}])
    def test_nobody_elses_and_no_mere_owner(self, change: dict[str, Any]) -> None:
        assert self.keys(self.part(**change)) == []

    def test_without_an_owner_nobody(self) -> None:
        assert self.keys(Obj(ObjectMeta("part", "ns"))) == []


EVENTS = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
]


class TestRules:
    def test_everybody_may_stand_for_election_and_tell_events(self) -> None:
        assert rules([]) == EVENTS

    def test_what_is_watched_is_read_and_what_is_declared_is_written(self) -> None:
        rights = (may("create delete", PARTS), may("patch", WIDGETS, "status"))
        found = rules([made(rights=rights, reads=(PARTS,))])
        own = [rule for rule in found if rule["apiGroups"] == ["example.com"]]
        assert own == [
            {
                "apiGroups": ["example.com"],
                "resources": ["parts"],
                "verbs": ["create", "delete", "get", "list", "watch"],
            },
            {"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["example.com"], "resources": ["widgets/status"], "verbs": ["patch"]},
        ]

    def test_alike_ones_share_a_rule_whoever_needs_them(self) -> None:
        other = Kind(API, "gadgets", "Gadget", Obj)
        found = rules([made(rights=()), made(rights=(), kind=other), made(rights=())])
        own = [rule["resources"] for rule in found if rule["apiGroups"] == ["example.com"]]
        assert own == [["gadgets", "widgets"]]

    def test_a_tracker_reads_everything_and_writes_what_it_says(self) -> None:
        found = rules([made(rights=(Right(("delete",), "*", "*"),), tracker=Census)])
        assert {"apiGroups": ["*"], "resources": ["*"], "verbs": ["delete", "get", "list", "watch"]} in found

    def test_no_real_controller_gets_more_than_a_wildcard_for_reading_and_collecting(self) -> None:
        every = registry().values()
        for rule in rules(one for one in every if not (one.tracker or one.discovers)):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]

    def test_the_same_whatever_the_order(self) -> None:
        every = list(registry().values())
        assert rules(every) == rules(reversed(every))

    def test_the_objects_that_grant_them(self) -> None:
        role, bound = cluster_role("understudy", [made()]), binding("understudy", "me")
        assert (role["kind"], role["metadata"]["name"], role["rules"]) == ("ClusterRole", "understudy", rules([made()]))
        assert bound["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role["metadata"]["name"],
        }
        assert bound["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "me"}]
