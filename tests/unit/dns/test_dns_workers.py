"""Several processes: what a worker does with what it is told, and that one that dies is replaced."""

import asyncio

import pytest

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.objects import service
from tests.unit.dns.wires import free_port, over_udp
from understudy.dns import worker as worker_module
from understudy.dns import workers as module
from understudy.dns.frames import Begin, Counted, Frame, Put, PutNamespace, Synced, encode, read
from understudy.dns.keeper import Keeper
from understudy.dns.metrics import Sample
from understudy.dns.names import NOERROR, A
from understudy.dns.own import Names as OwnNames
from understudy.dns.records import NOTHING, Names
from understudy.dns.settings import read as settings_of
from understudy.dns.worker import work
from understudy.dns.workers import Workers
from understudy.kinds.meta import Key, Obj, ObjectMeta

WEB = "web.default.svc.cluster.local"
SETTINGS = settings_of({"dns-address": "127.0.0.1:0", "dns-forward": "none"})


class Pipe:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        self.reader.feed_data(data)


def told(*frames: Frame) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    for frame in frames:
        reader.feed_data(encode(frame))
    return reader


@pytest.mark.parametrize(
    "frame",
    [
        Begin(SETTINGS, 53),
        Put("default", "web", {WEB: {A: ("10.0.0.1",)}, f"_tcp.{WEB}": {}}),
        PutNamespace("a", True),
        Synced(),
        Counted(Sample({("udp", "cluster.local", A, NOERROR): 3}, {("10.0.0.1:53", 0): 1})),
    ],
)
async def test_a_frame_is_the_same_on_the_other_side(frame: Frame) -> None:
    assert await read(told(frame)) == frame


async def test_names_that_hold_nothing_can_be_sent() -> None:
    names: Names = {WEB: NOTHING}
    assert await read(told(Put("default", "web", names))) == Put("default", "web", {WEB: {}})


async def test_a_frame_without_end_is_refused() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="bytes"):
        await read(reader)


async def test_a_worker_answers_once_it_knows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "REPORT", 0.01)
    at, pipe = free_port(), Pipe()
    reader = told(Begin(SETTINGS, at), PutNamespace("default", True))
    reader.feed_data(encode(Put("default", "web", {WEB: {A: ("10.0.0.1",)}})))
    working = asyncio.ensure_future(work(reader, pipe))  # type: ignore[arg-type]
    assert isinstance(await asyncio.wait_for(read(pipe.reader), 10), Counted)
    assert await _refused(at)
    reader.feed_data(encode(Synced()))
    async with asyncio.timeout(10):
        while await _refused(at):
            await asyncio.sleep(0.01)
    assert decode(await over_udp(at, ask(WEB))).data() == ["10.0.0.1"]
    reader.feed_data(encode(Put("default", "web", {WEB: {A: ("10.0.0.2",)}})))
    await asyncio.sleep(0)
    assert decode(await over_udp(at, ask(WEB))).data() == ["10.0.0.2"]
    reader.feed_eof()
    await asyncio.wait_for(working, 10)


async def _refused(at: int) -> bool:
    """Whether nobody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", at)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_a_worker_that_is_told_nonsense_ends() -> None:
    with pytest.raises(ValueError, match="first frame"):
        await work(told(Synced()), Pipe())  # type: ignore[arg-type]


async def test_processes_share_the_port_and_one_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    at = free_port()
    keeper = Keeper("cluster.local", _Nobody())
    keeper.services.listed(service("web", "10.96.0.10"))
    keeper.namespaces.listed(Obj(ObjectMeta(name="default", uid="1", resourceVersion="1")))
    workers = Workers(1, SETTINGS, keeper.replay)
    workers.start(at)
    workers.synced()
    try:
        await _answers(at, WEB, ["10.96.0.10"])
        workers.put(Key("default", "db"), {"db.default.svc.cluster.local": {A: ("10.0.0.9",)}})
        await _answers(at, "db.default.svc.cluster.local", ["10.0.0.9"])
        (process,) = workers._there
        process.kill()
        await process.wait()
        await _answers(at, "10-0-0-1.default.pod.cluster.local", ["10.0.0.1"])
        assert [each for each in workers._there if each is not process]
    finally:
        await workers.stop()
    assert len(workers) == 0


async def _answers(at: int, name: str, data: list[str]) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if decode(await asyncio.wait_for(over_udp(at, ask(name)), 0.3)).data() == data:
                    return
            except (TimeoutError, OSError):
                pass
            await asyncio.sleep(0.02)


class _Nobody:
    def put(self, owner: Key, names: Names) -> None: ...
    def put_namespace(self, name: str, *, there: bool) -> None: ...
    def declare(self, names: OwnNames) -> None: ...
