"""Who answers cluster DNS: the Service never leads to pods that are not ready, and goes back exactly as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.api.client import Client
from understudy.operators.custom.addons import dns as module
from understudy.operators.custom.addons import keeper
from understudy.operators.custom.addons.addon import SETTLED, Object
from understudy.operators.custom.addons.dns import DNS, READS, REMEMBERED, decide, replicas
from understudy.testing.fake import FakeApi

OURS = {"app.kubernetes.io/name": "understudy", "app.kubernetes.io/component": "dns"}
THEIRS = {"k8s-app": "kube-dns"}


def deployment(
    name: str, ready: int = 2, desired: int = 2, *, current: bool = True, annotations: dict[str, str] | None = None
) -> Object:
    meta = {"namespace": "kube-system", "name": name, "generation": 2, "annotations": annotations or {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": desired, "selector": {"matchLabels": OURS if name == "understudy-dns" else THEIRS}},
        "status": {"readyReplicas": ready, "observedGeneration": 2 if current else 1},
    }


def service(selector: dict[str, str], remembered: str | None = None) -> Object:
    notes = {REMEMBERED: remembered} if remembered else {}
    meta = {"namespace": "kube-system", "name": "kube-dns", "annotations": notes}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": selector}}


def found(
    service_: Object | None, ours: Object | None = None, coredns: Object | None = None, nodes: int = 3
) -> dict[str, Object | None]:
    remain = {"remainingItemCount": nodes - 1} if nodes > 1 else {}
    return {"service": service_, "ours": ours, "coredns": coredns, "nodes": {"metadata": remain, "items": [{}]}}


def ours(*args: Any, **kw: Any) -> Object:
    return deployment("understudy-dns", *args, **kw)


def merged(into: Object, patch: Any) -> Object:
    """RFC 7386, as the server does it."""
    out = dict(into)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key) or {}, value) if isinstance(value, dict) else value
    return out


class TestTakingOver:
    def test_what_is_missing_is_said(self) -> None:
        assert decide(True, found(service(THEIRS))).blocked[0] == "NotInstalled"
        verdict = decide(True, found(None, ours()))
        assert (verdict.blocked[0], verdict.leader) == ("NoService", "none")

    @pytest.mark.parametrize("waiting", [ours(1), ours(0, 0), ours(current=False)])
    def test_coredns_answers_until_ours_are_ready(self, waiting: Object) -> None:
        verdict = decide(True, found(service(THEIRS), waiting, deployment("coredns")))
        assert (verdict.leader, verdict.moving[0], verdict.writes) == ("upstream", "TakingOver", ())

    def test_the_service_is_led_to_ours_and_remembers(self) -> None:
        before = service(THEIRS)
        (write,) = decide(True, found(before, ours())).writes
        after = merged(before, write.body)
        assert after["spec"]["selector"] == OURS
        assert after["metadata"]["annotations"] == {REMEMBERED: '{"k8s-app":"kube-dns"}'}
        verdict = decide(True, found(after, ours()))
        assert (verdict.leader, verdict.writes, verdict.moving, verdict.ready) == ("understudy", (), SETTLED, 2)

    def test_what_somebody_applied_over_it_is_led_to_ours_again(self) -> None:
        both = service(OURS | THEIRS, '{"k8s-app":"kube-dns"}')
        (write,) = decide(True, found(both, ours())).writes
        after = merged(both, write.body)
        assert after["spec"]["selector"] == OURS
        assert after["metadata"]["annotations"][REMEMBERED] == '{"k8s-app":"kube-dns"}'

    def test_it_stays_although_ours_are_not_ready_for_a_while(self) -> None:
        verdict = decide(True, found(service(OURS, "{}"), ours(0)))
        assert (verdict.leader, verdict.writes) == ("none", ())

    def test_a_service_made_for_ours_needs_nothing(self) -> None:
        assert decide(True, found(service(OURS), ours())).moving == SETTLED


class TestGivingBack:
    def test_the_service_is_as_it_was(self) -> None:
        taken = service(OURS, '{"k8s-app":"kube-dns","more":"x"}')
        (write,) = decide(False, found(taken, ours(), deployment("coredns"))).writes
        after = merged(taken, write.body)
        assert (after["spec"]["selector"], after["metadata"]["annotations"]) == (THEIRS | {"more": "x"}, {})
        verdict = decide(False, found(after, ours(), deployment("coredns")))
        assert (verdict.leader, verdict.writes, verdict.moving) == ("upstream", (), SETTLED)

    def test_ours_answer_until_coredns_does(self) -> None:
        taken = service(OURS, '{"k8s-app":"kube-dns"}')
        verdict = decide(False, found(taken, ours(), deployment("coredns", 0)))
        assert (verdict.moving[0], verdict.writes, verdict.leader) == ("Releasing", (), "understudy")
        assert decide(False, found(taken, ours(0), deployment("coredns", 0))).writes
        assert decide(False, found(taken, None, None)).writes

    def test_what_was_never_taken_is_left_alone(self) -> None:
        for each in (service(THEIRS), service(OURS), None):
            verdict = decide(False, found(each, ours()))
            assert (verdict.writes, verdict.moving, verdict.blocked) == ((), SETTLED, SETTLED)

    def test_an_annotation_that_makes_no_sense(self) -> None:
        (write,) = decide(False, found(service(OURS, "{"), None)).writes
        assert merged(service(OURS, "{"), write.body)["spec"]["selector"] == THEIRS


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)


@given(LABELS)
def test_there_and_back(selector: dict[str, str]) -> None:
    before = service(selector)
    (take,) = decide(True, found(before, ours())).writes
    taken = merged(before, take.body)
    assert taken["spec"]["selector"] == OURS
    (give,) = decide(False, found(taken, ours(), deployment("coredns"))).writes
    assert merged(taken, give.body) == before


SAYS = {
    "understudy.dev/nodes-per-replica": "16",
    "understudy.dev/min-replicas": "2",
    "understudy.dev/max-replicas": "9",
}


@pytest.mark.parametrize(("nodes", "wanted"), [(0, 2), (1, 2), (32, 2), (33, 3), (5000, 9)])
def test_as_many_replicas_as_the_nodes_need(nodes: int, wanted: int) -> None:
    assert replicas(nodes, SAYS) == wanted


@pytest.mark.parametrize("says", [{}, {"understudy.dev/nodes-per-replica": "many"}, SAYS | {module.PER_REPLICA: "0"}])
def test_what_says_nothing_is_left_alone(says: dict[str, str]) -> None:
    assert replicas(100, says) is None
    assert decide(False, found(service(THEIRS), ours(annotations=says), nodes=100)).writes == ()


@pytest.mark.parametrize("wanted", [True, False])
def test_the_number_follows_whoever_leads(wanted: bool) -> None:
    state = found(service(OURS), ours(2, 2, annotations=SAYS), nodes=40)
    (write,) = decide(wanted, state).writes
    assert (write.path, write.body) == (READS["ours"], {"spec": {"replicas": 3}})


async def test_it_is_read_and_written_on_the_server() -> None:
    api = FakeApi()
    api.serve("apps/v1", "deployments", "Deployment")
    for each in (service(THEIRS), ours(), deployment("coredns")):
        api.apply(each)
    client = Client(api.transport())
    addons = keeper.Addons(client, (DNS,))
    await addons.direct({"dns": True})
    assert (await addons.direct({"dns": True}))["dns"].leader == "understudy"
    assert await addons.give_back(3) == []
    (after,) = api.objects("services")
    assert after["spec"]["selector"] == THEIRS
    await client.close()
