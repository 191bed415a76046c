"""Names of Pods by their addresses, where only those that are there are answered (`--dns-pods verified`)."""

import pytest

from understudy.dns.keeper import Copy, Keeper
from understudy.dns.kinds import Pod, PodAddress, PodStatus
from understudy.dns.lookup import look_up
from understudy.dns.names import AAAA, NXDOMAIN, A
from understudy.dns.own import Names
from understudy.dns.records import Zone, of_pod
from understudy.kinds.meta import Key, ObjectMeta

ORIGIN = "cluster.local"
NAME = f"10-1-2-3.default.pod.{ORIGIN}"


def pod(name: str, *ips: str, phase: str = "Running", deleted: str | None = None) -> Pod:
    status = PodStatus(phase, tuple(map(PodAddress, ips)))
    return Pod(metadata=ObjectMeta(name=name, namespace="default", uid=name, deletionTimestamp=deleted), status=status)


def test_the_names_of_a_pods_addresses() -> None:
    assert of_pod(pod("a", "10.244.0.7", "fd00::7"), ORIGIN) == {
        f"10-244-0-7.default.pod.{ORIGIN}": {A: ("10.244.0.7",)},
        f"fd00--7.default.pod.{ORIGIN}": {AAAA: ("fd00::7",)},
    }


@pytest.mark.parametrize("over", [{"phase": "Failed"}, {"phase": "Succeeded"}, {"deleted": "2026-01-01T00:00:00Z"}])
def test_a_pod_that_is_over_has_none(over: dict[str, str]) -> None:
    assert of_pod(pod("a", "10.244.0.7", **over), ORIGIN) == {}


def test_pods_of_one_node_share_its_address() -> None:
    zone = Zone(ORIGIN, pods="verified")
    for each in ("a", "b"):
        zone.put(Key("default", f"pod/{each}"), of_pod(pod(each, "10.1.2.3"), ORIGIN))
    zone.put(Key("default", "pod/a"), {})
    assert zone.names[NAME] == {A: ("10.1.2.3",)}
    zone.put(Key("default", "pod/b"), {})
    assert NAME not in zone.names


class Told(Copy):
    """A copy that is told nothing of what users declared."""

    def __init__(self, zone: Zone) -> None:
        super().__init__(zone, lambda _: None, lambda: 1.0)

    def declare(self, names: Names) -> None:
        assert not names.names


async def test_only_addresses_that_a_pod_has_are_answered() -> None:
    zone = Zone(ORIGIN, pods="verified")
    kept = Keeper(ORIGIN, Told(zone), with_pods=True)
    zone.put_namespace("default", there=True)
    assert kept.pods in kept.stores
    kept.pods.listed(pod("a", "10.1.2.3"))
    kept.turn()
    found = look_up(zone, NAME, A)
    assert found is not None
    assert [each.data for each in found.answers] == ["10.1.2.3"]
    other = look_up(zone, NAME.replace("3", "4"), A)
    assert other is not None
    assert other.rcode == NXDOMAIN
    newcomer = Zone(ORIGIN, pods="verified")
    more = kept.replay(Told(newcomer))
    while more():
        pass
    assert newcomer.names[NAME] == zone.names[NAME]
    kept.pods.removed(Key("default", "a"), "a")
    kept.turn()
    assert NAME not in zone.names


async def test_pods_are_not_watched_otherwise() -> None:
    kept = Keeper(ORIGIN, Told(Zone(ORIGIN)))
    assert kept.pods not in kept.stores
