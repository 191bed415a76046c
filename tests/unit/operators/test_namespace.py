"""Emptying and finalizing a terminating namespace: pure decisions over a pretended server."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.unit.operators.decisions import make, make_pod, view_of
from understudy.errors import ApiError, Forbidden, NotFound
from understudy.kinds.core import NAMESPACES, PODS, Namespace, Pod
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key, Obj
from understudy.operators import namespace as loop
from understudy.plan.steps import Delete, DeleteCollection, Get, List, Patch, Replace, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions

DELETED = datetime(2026, 1, 2, 12, tzinfo=UTC)
EVERY = frozenset({"list", "delete", "deletecollection"})
CONFIG_MAPS: Kind[Any] = Kind("v1", "configmaps", "ConfigMap", Obj, metadata_only=True)
WIDGETS: Kind[Any] = Kind("example.com/v1", "widgets", "Widget", Obj, metadata_only=True)
POD_METADATA: Kind[Any] = Kind("v1", "pods", "Pod", Obj, metadata_only=True)


class Server:
    """Holds objects by kind; deletes those nothing holds back. `log` is what was asked of it."""

    def __init__(self, *held: tuple[Kind[Any], Obj], refuse: dict[str, ApiError] | None = None) -> None:
        self.held: dict[str, list[Obj]] = defaultdict(list)
        for kind, obj in held:
            self.held[kind.id].append(obj)
        self.refuse = refuse or {}
        self.log: list[str] = []
        self.namespace = terminating()
        self.live_uid = self.namespace.uid

    def answer(self, step: Step) -> Any:
        match step:
            case List(kind):
                self._ask("list", kind)
                return list(self.held[kind.id])
            case DeleteCollection(kind):
                self._ask("deletecollection", kind)
                self.held[kind.id] = [obj for obj in self.held[kind.id] if obj.metadata.finalizers]
            case Delete(kind, obj):
                self._ask("delete", kind)
                self.held[kind.id].remove(obj)
            case Patch(_, obj, body):
                self.log.append("tell")
                listed = msgspec.convert(body["status"]["conditions"], list[Any])
                self.namespace = make(NAMESPACES, "shop", deleting=True, status={"conditions": listed}, spec=SPEC)
                return self.namespace
            case Get():
                self._ask("get", NAMESPACES)
                return {
                    "metadata": {"name": "shop", "uid": self.live_uid},
                    "spec": {"finalizers": ["kubernetes", "other"]},
                }
            case Replace(_, body, _, subresource):
                self.log.append(f"{subresource} {body['spec']['finalizers']}")
            case Requeue(after):
                self.log.append(f"again in {after:g}")
        return None

    def _ask(self, verb: str, kind: Kind[Any]) -> None:
        self.log.append(f"{verb} {kind.plural}")
        if kind.id in self.refuse:
            raise self.refuse[kind.id]


SPEC = {"finalizers": ["kubernetes"]}


def terminating(**parts: Any) -> Namespace:
    found: Namespace = make(NAMESPACES, "shop", deleting=True, **{"spec": SPEC, **parts})
    return found


def view(*pods: Pod, stale: tuple[str, ...] = (), verbs: frozenset[str] = EVERY) -> View:
    found = view_of({PODS: pods, NAMESPACES: [terminating()]})
    found.resources = [Resource(CONFIG_MAPS, EVERY), Resource(POD_METADATA, EVERY), Resource(WIDGETS, verbs)]
    found.stale = stale
    return found


def play(server: Server, seen: View, after: float = 10.0) -> list[str]:
    """One decision against `server`; what it asked for. What it raised is raised."""
    decision = loop.decide(server.namespace, seen, DELETED + timedelta(seconds=after))
    answer: Any = None
    error: Exception | None = None
    server.log.clear()
    while True:
        try:
            step = decision.throw(error) if error else decision.send(answer)
        except StopIteration:
            return server.log
        answer = error = None
        try:
            answer = server.answer(step)
        except ApiError as refused:
            error = refused


def told(server: Server) -> dict[str, tuple[str, str, str]]:
    return {one.type: (one.status, one.reason, one.message) for one in server.namespace.status.conditions}


def some(kind: Kind[Any], name: str, *finalizers: str) -> tuple[Kind[Any], Obj]:
    return kind, make(kind, name, namespace="shop", finalizers=finalizers)


def test_an_empty_namespace_is_finalized_and_other_finalizers_stay() -> None:
    server = Server()
    assert play(server, view())[-2:] == ["get namespaces", "finalize ['other']"]
    assert all(status == "False" for status, _, _ in told(server).values())
    assert len(told(server)) == 5


def test_everything_is_deleted_before_it_is_finalized() -> None:
    server = Server(some(CONFIG_MAPS, "a"), some(CONFIG_MAPS, "b"), some(WIDGETS, "w"))
    log = play(server, view())
    assert log.index("deletecollection configmaps") < log.index("finalize ['other']")
    assert not any(server.held.values())


def test_while_a_pod_is_left_nothing_else_is_touched() -> None:
    server = Server(some(POD_METADATA, "p", "example.com/hold"), some(CONFIG_MAPS, "a"))
    log = play(server, view())
    assert not [line for line in log if "configmaps" in line or "finalize" in line]
    assert log[-1] == "again in 2.5"
    assert told(server)["NamespaceContentRemaining"] == (
        "True",
        "SomeResourcesRemain",
        "Some resources are remaining: pods. has 1 resource instances",
    )
    assert told(server)["NamespaceFinalizersRemaining"] == (
        "True",
        "SomeFinalizersRemain",
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
    )
    assert "NamespaceDeletionContentFailure" in told(server)


def test_conditions_are_written_only_when_they_change() -> None:
    server = Server(some(WIDGETS, "w", "example.com/hold"))
    assert "tell" in play(server, view())
    assert "tell" not in play(server, view())
    server.held.clear()
    assert "tell" in play(server, view())


def test_a_resource_without_deletecollection_is_deleted_one_by_one() -> None:
    server = Server(some(WIDGETS, "v"), some(WIDGETS, "w"))
    log = play(server, view(verbs=frozenset({"list", "delete"})))
    assert log.count("delete widgets") == 2


@pytest.mark.parametrize("error", [NotFound(404, "NotFound"), ApiError(405, "MethodNotAllowed")])
def test_a_resource_that_is_no_longer_served_holds_nothing(error: ApiError) -> None:
    server = Server(refuse={WIDGETS.id: error})
    assert play(server, view())[-1] == "finalize ['other']"


def test_a_refusal_is_told_and_tried_again_while_the_rest_goes_on() -> None:
    server = Server(some(WIDGETS, "w"), refuse={CONFIG_MAPS.id: Forbidden(403, "Forbidden", "not you")})
    with pytest.raises(Forbidden):
        play(server, view())
    assert not server.held[WIDGETS.id]
    failure = ("True", "ContentDeletionFailed", "Failed to delete all resource types, 1 remaining: not you")
    assert told(server)["NamespaceDeletionContentFailure"] == failure


def test_a_group_that_cannot_be_discovered_keeps_the_namespace() -> None:
    server = Server()
    with pytest.raises(ApiError, match="complete list of server APIs: metrics/v1"):
        play(server, view(stale=("metrics/v1",)))
    message = (
        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
        "metrics/v1: stale GroupVersion discovery: metrics/v1"
    )
    assert told(server)["NamespaceDeletionDiscoveryFailure"] == ("True", "DiscoveryFailed", message)


def test_pods_in_their_grace_are_waited_for_and_after_it_missed() -> None:
    pod = make_pod("p", namespace="shop", node="n1")
    pod.spec.terminationGracePeriodSeconds = 30
    server = Server()
    server.held[PODS.id] = [pod]
    stubborn = Server.answer

    def keeps(step: Step) -> Any:
        return None if isinstance(step, DeleteCollection) else stubborn(server, step)

    server.answer = keeps  # type: ignore[method-assign]
    assert play(server, view(pod), after=12)[-1] == "again in 3"
    with pytest.raises(ApiError, match=r"unexpected items still remain in namespace: shop for gvr: /v1, Resource=pods"):
        play(server, view(pod), after=31)


def test_it_is_not_let_go_before_every_api_server_can_know() -> None:
    server = Server()
    assert play(server, view(), after=2)[-1] == "again in 3"


def test_nothing_is_done_to_a_living_or_already_finalized_namespace() -> None:
    now = DELETED + timedelta(seconds=10)
    assert not list(loop.decide(make(NAMESPACES, "shop", spec=SPEC), view(), now))
    assert not list(loop.decide(terminating(spec={"finalizers": ["other"]}), view(), now))


def test_a_namesake_is_never_finalized() -> None:
    server = Server()
    server.live_uid = "another"
    log = play(server, view())
    assert log[-1] == "get namespaces"


def test_the_last_pod_of_a_terminating_namespace_wakes_it() -> None:
    pod = make_pod("p", namespace="shop")
    assert loop._emptied(pod, view()) == (Key("", "shop"),)
    assert not loop._emptied(pod, view(make_pod("q", namespace="shop")))


def test_transition_times_move_with_the_status_only() -> None:
    server = Server(some(WIDGETS, "w", "example.com/hold"))
    play(server, view(), after=10)
    first = conditions.find(server.namespace.status.conditions, "NamespaceContentRemaining")
    server.held[WIDGETS.id] *= 2
    play(server, view(), after=20)
    second = conditions.find(server.namespace.status.conditions, "NamespaceContentRemaining")
    assert first is not None
    assert second is not None
    assert (first.lastTransitionTime, first.message) != (None, second.message)
    assert first.lastTransitionTime == second.lastTransitionTime
