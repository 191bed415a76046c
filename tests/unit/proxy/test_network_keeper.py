"""The keeper over a machine in memory: one pass makes it right, the next changes nothing, whatever others do."""

import asyncio
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import Counter

from tests.unit.loop.virtual import play
from tests.unit.proxy.machines import Machine, node
from understudy.kinds.core import Node
from understudy.proxy.network import conflist, metrics
from understudy.proxy.network.desired import network_of
from understudy.proxy.network.keeper import EVERY, PAUSES, Keeper, clean
from understudy.proxy.network.routes import Route

ME = node("me", ["10.244.1.0/24"], ["172.18.0.2"])
OTHER = node("other", ["10.244.2.0/24"], ["172.18.0.3"])
TO_OTHER = Route("10.244.2.0/24", "172.18.0.3")


class Stage:
    """A machine, the Nodes, and the keeper between them."""

    def __init__(self, folder: Path, *nodes: Node) -> None:
        self.machine = Machine()
        self.nodes = list(nodes)
        self.file = folder / conflist.NAME
        self.keeper = Keeper(self.machine, "me", lambda: self.nodes, folder)

    async def turn(self) -> list[str]:
        """What a pass changed on the machine."""
        self.machine.written.clear()
        await self.keeper.turn()
        return list(self.machine.written)

    def files(self) -> list[str]:
        return sorted(each.name for each in self.file.parent.iterdir())


def count(counter: Counter) -> float:
    value: float = counter._value.get()
    return value


async def test_one_pass_makes_it_right_and_the_next_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME, OTHER)
    assert await stage.turn() == ["rules", f"add {TO_OTHER}"]
    text = stage.file.read_text()
    assert text == conflist.render(["10.244.1.0/24"], 1450)
    assert stage.machine.forwards == {False: True, True: False}
    assert stage.keeper.kept.is_set()

    written = stage.file.stat().st_mtime_ns
    assert await stage.turn() == []
    assert stage.file.stat().st_mtime_ns == written
    assert stage.files() == [conflist.NAME]


async def test_nodes_come_move_and_go(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME)
    await stage.turn()
    stage.nodes = [ME, OTHER]
    assert await stage.turn() == ["rules", f"add {TO_OTHER}"]
    stage.nodes = [ME, node("other", ["10.244.2.0/24"], ["172.18.0.4"])]
    assert await stage.turn() == ["add 10.244.2.0/24 via 172.18.0.4", f"drop {TO_OTHER}"]
    stage.nodes = [ME]
    assert await stage.turn() == ["rules", "drop 10.244.2.0/24 via 172.18.0.4"]


@pytest.mark.parametrize("what", ["routes", "rules", "files"])
async def test_what_others_change_is_put_right_and_counted(tmp_path: Path, what: str) -> None:
    stage = Stage(tmp_path, ME, OTHER)
    await stage.turn()
    await stage.turn()
    before = count(metrics.REPAIRS.labels(what))
    match what:
        case "routes":
            stage.machine.held.clear()
        case "rules":
            stage.machine.table = "something else"
        case _:
            stage.file.write_text("{}")

    await stage.turn()
    assert count(metrics.REPAIRS.labels(what)) == before + 1
    assert stage.machine.held == {TO_OTHER}
    assert "masquerade" in stage.machine.table
    assert stage.file.read_text() == conflist.render(["10.244.1.0/24"], 1450)
    assert await stage.turn() == []


async def test_a_restart_is_no_repair_and_moves_no_file(tmp_path: Path) -> None:
    first = Stage(tmp_path, ME, OTHER)
    await first.turn()
    written, before = first.file.stat().st_mtime_ns, count(metrics.REPAIRS.labels("routes"))
    second = Stage(tmp_path, ME, OTHER)
    second.machine = first.machine
    second.keeper = Keeper(first.machine, "me", lambda: second.nodes, tmp_path)
    assert await second.turn() == ["rules"]  # what was loaded last is not known: once more
    assert second.file.stat().st_mtime_ns == written
    assert count(metrics.REPAIRS.labels("routes")) == before


async def test_without_this_node_everything_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME, OTHER)
    await stage.turn()
    stage.nodes = []
    assert await stage.turn() == []
    assert stage.file.exists()


async def test_nothing_is_kept_before_its_node_is_there(tmp_path: Path) -> None:
    stage = Stage(tmp_path, OTHER)
    assert await stage.turn() == []
    assert not stage.keeper.kept.is_set()
    stage.nodes.append(ME)
    await stage.turn()
    assert stage.keeper.kept.is_set()


async def test_without_a_pod_cidr_no_pod_starts_but_routes_are_kept(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME, OTHER)
    await stage.turn()
    stage.nodes = [node("me", [], ["172.18.0.2"]), OTHER]
    await stage.turn()
    assert not stage.file.exists()
    assert stage.machine.held == {TO_OTHER}
    assert (
        "the Node me has no pod CIDR yet: a node-ipam-controller must give it one" in stage.keeper.state()["troubles"]
    )


async def test_a_refused_route_is_said_once_stops_nothing_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "understudy.proxy")
    far = node("far", ["10.244.3.0/24"], ["192.0.2.1"])
    stage = Stage(tmp_path, ME, OTHER, far)
    stage.machine.deaf = {"192.0.2.1"}
    await stage.turn()
    assert await stage.turn() == ["add 10.244.3.0/24 via 192.0.2.1"]
    said = "no route to 10.244.3.0/24 via 192.0.2.1: nobody there"
    assert [each for each in caplog.messages if "192.0.2.1" in each] == [said]
    assert stage.machine.held == {TO_OTHER}
    assert stage.file.exists()
    assert (metrics.REACHED._value.get(), metrics.MISSING._value.get()) == (1, 1)

    stage.machine.deaf = set()
    await stage.turn()
    assert f"no longer: {said}" in caplog.messages
    assert len(stage.machine.held) == 2


async def test_forwarding_that_cannot_be_switched_on_is_said(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME)
    stage.machine.locked = True
    await stage.turn()
    assert stage.keeper.state()["troubles"] == ("packets are not forwarded",)
    assert stage.file.exists()


async def test_another_configuration_that_goes_first_is_said(tmp_path: Path) -> None:
    (tmp_path / "10-kindnet.conflist").write_text("{}")
    (tmp_path / "05-note.txt").write_text("")
    (tmp_path / "99-last.conf").write_text("{}")
    stage = Stage(tmp_path, ME)
    await stage.turn()
    (trouble,) = stage.keeper.state()["troubles"]
    assert trouble == (
        "the container runtime prefers 10-kindnet.conflist to 10-understudy.conflist: remove what is not in use"
    )


async def test_an_unknown_mtu_is_the_kernels(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME)
    stage.machine.mtus = {}
    await stage.turn()
    assert "mtu" not in stage.file.read_text()
    assert "172.18.0.2" in stage.keeper.state()["troubles"][0]


async def test_failures_are_tried_again_later_and_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(tmp_path, ME)
    stage.machine.broken = True
    pauses = [await stage.keeper.turn() for _ in range(8)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert set(caplog.messages) == {"the kernel is broken; trying again"}
    assert not stage.keeper.kept.is_set()
    stage.machine.broken = False
    assert await stage.keeper.turn() == EVERY
    stage.machine.broken = True
    assert await stage.keeper.turn() == PAUSES[0]


async def test_a_bug_does_not_end_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(tmp_path, ME)
    stage.nodes = None  # type: ignore[assignment]
    assert await stage.keeper.turn() == PAUSES[0]
    assert "this is a bug" in caplog.text


async def test_a_folder_that_is_missing_is_a_failure_with_a_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path / "nowhere", ME)
    await stage.turn()
    assert "nowhere/10-understudy.conflist cannot be written: No such file or directory" in caplog.text


async def test_clean_takes_everything_of_ours_away(tmp_path: Path) -> None:
    stage = Stage(tmp_path, ME, OTHER)
    await stage.turn()
    await clean(stage.machine, tmp_path)
    assert (stage.machine.held, stage.machine.table, stage.files()) == (set(), "", [])
    stage.machine.written.clear()
    await clean(stage.machine, tmp_path)
    assert stage.machine.written == []


@pytest.mark.looptime
async def test_it_rests_until_woken_or_due(tmp_path: Path) -> None:
    keeper = Stage(tmp_path, ME).keeper
    loop = asyncio.get_running_loop()
    start = loop.time()
    await keeper.rest(10)
    assert loop.time() - start == 10
    keeper.wake()
    await keeper.rest(10)
    assert loop.time() - start == 10.5
    loop.call_later(3, keeper.wake)
    await keeper.rest(10)
    assert loop.time() - start == 14


# Whatever happens, one pass is enough

_addresses = st.sampled_from(["172.18.0.3", "172.18.0.4", "192.0.2.1"])
_others = st.builds(
    lambda number, address: node(f"n{number}", [f"10.244.{number}.0/24"], [address]), st.integers(2, 5), _addresses
)
_worlds = st.lists(st.lists(_others, max_size=4, unique_by=lambda each: each.name), min_size=1, max_size=5)
_vandals = st.sampled_from(["", "routes", "rules", "file", "foreign"])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds=_worlds, vandals=st.lists(_vandals, min_size=5, max_size=5))
def test_after_a_pass_the_machine_is_as_the_nodes_say(
    tmp_path: Path, worlds: list[list[Node]], vandals: list[str]
) -> None:
    stage = Stage(tmp_path, ME)
    stage.machine.deaf = {"192.0.2.1"}

    async def live() -> None:
        for world, vandal in zip(worlds, vandals, strict=False):
            stage.nodes = [ME, *world]
            match vandal:
                case "routes":
                    stage.machine.held.clear()
                case "rules":
                    stage.machine.table = ""
                case "file":
                    stage.file.unlink(missing_ok=True)
                case "foreign":
                    stage.machine.held.add(Route("10.244.99.0/24", "172.18.0.99"))
            await stage.keeper.turn()
            network = network_of("me", stage.nodes)
            assert network is not None
            reachable = {route for route in network.routes if route.gateway not in stage.machine.deaf}
            assert stage.machine.held == reachable
            assert all(cidr in stage.machine.table for cidr in network.cluster)
            assert stage.file.read_text() == conflist.render(["10.244.1.0/24"], 1450)

    play(live())
