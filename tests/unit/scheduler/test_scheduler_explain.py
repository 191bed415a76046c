"""What the scheduler remembers of its decisions, and how it tells."""

from datetime import UTC, datetime

from understudy.kinds.meta import Key
from understudy.scheduler.cycle import Placement
from understudy.scheduler.explain import RECENT, Decision, History, record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def decision(node: str) -> Decision:
    return Decision(NOW, "7", Placement(node, 420, 1))


def test_the_last_decision_about_a_pod_is_what_is_told() -> None:
    history = History()
    history.remember(Key("a", "p"), decision("n1"))
    history.remember(Key("a", "p"), decision("n2"))
    told = history.about(Key("a", "p"))
    assert told is not None
    assert record("scheduler", Key("a", "p"), told, "bound", [])["node"] == "n2"


def test_only_so_many_pods_are_remembered() -> None:
    history = History(kept=2)
    for name in ("p", "q", "r"):
        history.remember(Key("a", name), decision("n1"))
    assert history.about(Key("a", "p")) is None
    assert history.about(Key("a", "r")) is not None


def test_the_journal_goes_on_where_its_reader_stopped() -> None:
    history = History()
    for name in ("p", "q", "r"):
        history.remember(Key("a", name), decision("n1"))
    assert [(number, key.name) for number, key, _ in history.since(1)] == [(2, "q"), (3, "r")]
    assert not history.since(3)


def test_the_journal_is_bounded() -> None:
    history = History()
    for number in range(RECENT + 10):
        history.remember(Key("a", str(number)), decision("n1"))
    assert len(history.since(0)) == RECENT
