"""Who keeps Services' addresses: never both told to go, in either direction, and back as it was."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.api.client import Client
from understudy.operators.custom.addons import keeper
from understudy.operators.custom.addons.addon import SETTLED, Object
from understudy.operators.custom.addons.serviceproxy import READS, SERVICE_PROXY, decide
from understudy.takeover.crew import ASIDE, Crew
from understudy.testing.fake import FakeApi

NODES = 3
LINUX = {"kubernetes.io/os": "linux"}


def daemonset(
    name: str, ready: int = NODES, *, aside: bool = False, current: bool = True, pods: int | None = None
) -> Object:
    selector = LINUX | ({ASIDE: "true"} if aside else {})
    status = {
        "desiredNumberScheduled": 0 if aside else NODES,
        "numberReady": ready,
        "currentNumberScheduled": (0 if aside else NODES) if pods is None else pods,
        "numberMisscheduled": 0,
        "observedGeneration": 2 if current else 1,
    }
    labels = {"app.kubernetes.io/name": "understudy", "app.kubernetes.io/component": "service-proxy"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"namespace": "kube-system", "name": name, "generation": 2, "labels": labels},
        "spec": {"template": {"spec": {"nodeSelector": selector}}},
        "status": status,
    }


def found(ours: Object | None, theirs: Object | None) -> dict[str, Object | None]:
    return {"ours": {"items": [ours] if ours else []}, "kube-proxy": theirs}


def mine(*args: Any, **kw: Any) -> Object:
    return daemonset("understudy-service-proxy", *args, **kw)


def upstreams(*args: Any, **kw: Any) -> Object:
    return daemonset("kube-proxy", *args, **kw)


def written(wanted: bool, ours: Object | None, theirs: Object | None) -> list[tuple[str, Any]]:
    said = []
    for write in decide(wanted, found(ours, theirs)).writes:
        assert write.body is not None
        selector = write.body["spec"]["template"]["spec"]["nodeSelector"]
        said.append((write.path.rpartition("/")[2], selector[ASIDE]))
    return said


class TestTakingOver:
    def test_without_the_daemonset_it_cannot_be(self) -> None:
        verdict = decide(True, found(None, upstreams()))
        assert (verdict.leader, verdict.blocked[0], verdict.writes) == ("upstream", "NotInstalled", ())

    def test_kube_proxy_stays_until_ours_is_ready_everywhere(self) -> None:
        assert written(True, mine(2), upstreams()) == []
        assert written(True, mine(current=False), upstreams()) == []
        assert written(True, mine(), upstreams()) == [("kube-proxy", "true")]

    def test_a_node_where_neither_is_ready_holds_up_nothing(self) -> None:
        assert written(True, mine(2), upstreams(2)) == [("kube-proxy", "true")]

    def test_it_is_over_when_the_last_pod_has_ended(self) -> None:
        verdict = decide(True, found(mine(), upstreams(0, aside=True, pods=1)))
        assert (verdict.leader, verdict.moving[0], verdict.writes) == ("understudy", "TakingOver", ())
        verdict = decide(True, found(mine(), upstreams(0, aside=True)))
        assert (verdict.leader, verdict.moving, verdict.writes) == ("understudy", SETTLED, ())

    def test_a_node_that_joins_later_brings_nobody_back(self) -> None:
        verdict = decide(True, found(mine(2), upstreams(0, aside=True)))
        assert (verdict.moving, verdict.writes) == (SETTLED, ())

    def test_ours_returns_first_if_it_stood_aside(self) -> None:
        assert written(True, mine(0, aside=True), upstreams()) == [("understudy-service-proxy", None)]

    def test_a_cluster_without_kube_proxy(self) -> None:
        assert decide(True, found(mine(1), None)).moving[0] == "TakingOver"
        assert decide(True, found(mine(), None)).moving == SETTLED


class TestGivingBack:
    def test_kube_proxy_returns_first(self) -> None:
        assert written(False, mine(), upstreams(0, aside=True)) == [("kube-proxy", None)]

    def test_ours_stays_until_it_is_ready(self) -> None:
        verdict = decide(False, found(mine(), upstreams(1)))
        assert (verdict.moving[0], verdict.writes) == ("Releasing", ())
        assert written(False, mine(), upstreams()) == [("understudy-service-proxy", "true")]

    def test_it_is_over_when_the_last_pod_of_ours_has_ended(self) -> None:
        assert decide(False, found(mine(0, aside=True, pods=1), upstreams())).moving[0] == "Releasing"
        verdict = decide(False, found(mine(0, aside=True), upstreams()))
        assert (verdict.leader, verdict.moving, verdict.blocked) == ("upstream", SETTLED, SETTLED)

    def test_where_nothing_was_installed_nothing_happens(self) -> None:
        for theirs in (None, upstreams(1)):
            verdict = decide(False, found(None, theirs))
            assert (verdict.moving, verdict.blocked, verdict.writes) == (SETTLED, SETTLED, ())

    def test_without_a_kube_proxy_ours_goes_as_asked(self) -> None:
        assert written(False, mine(), None) == [("understudy-service-proxy", "true")]


CREWS = st.builds(
    lambda aside, ready, current, pods: (aside, ready, current, pods),
    st.booleans(),
    st.integers(0, NODES),
    st.booleans(),
    st.integers(0, NODES),
)


@given(CREWS, CREWS, st.booleans())
@settings(max_examples=300)
def test_nobody_is_asked_to_go_while_the_other_is_away(ours: Any, theirs: Any, wanted: bool) -> None:
    one, other = (
        make(ready, aside=aside, current=current, pods=pods)
        for make, (aside, ready, current, pods) in ((mine, ours), (upstreams, theirs))
    )
    for name, value in written(wanted, one, other):
        stays = Crew.of(other if name == "understudy-service-proxy" else one)
        assert value is None or (stays is not None and not stays.aside and stays.ready)


@pytest.mark.looptime
async def test_it_is_read_and_written_on_the_server() -> None:
    api = FakeApi()
    api.serve("apps/v1", "daemonsets", "DaemonSet")
    api.apply(upstreams())
    api.apply(mine())
    addons = keeper.Addons(Client(api.transport()), (SERVICE_PROXY,))
    assert (await addons.direct({"serviceProxy": True}))["serviceProxy"].moving[0] == "TakingOver"
    selectors = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["nodeSelector"]
        for each in api.objects("daemonsets.apps")
    }
    assert selectors == {"kube-proxy": LINUX | {ASIDE: "true"}, "understudy-service-proxy": LINUX}
    await addons.direct({})
    assert all(ASIDE not in each["spec"]["template"]["spec"]["nodeSelector"] for each in api.objects("daemonsets.apps"))
    left = await addons.give_back(3)  # its controller does not answer
    assert left == ["kube-proxy is ready on 3 of 3 nodes; ours stays until then"]
    assert 3 <= asyncio.get_running_loop().time() < 4


def test_it_reads_nothing_it_has_no_right_to() -> None:
    assert all("/apis/apps/v1/" in path and "daemonsets" in path for path in READS.values())
