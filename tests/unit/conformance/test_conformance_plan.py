"""Which tests are chosen, in which parts, and what ginkgo is told."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance import plan
from tests.conformance.plan import BadPlan, Part, Setting, command, focuses, named, parts, select, suite_flags
from tests.conformance.smoke import SMOKE
from tests.conformance.specs import Spec
from tests.unit.conformance.samples import DAEMONS, INGRESS, PRIORITY, TOKEN

PROGRAMS = {name: Path(f"/bin/{name}") for name in ("ginkgo", "e2e.test", "kubectl")}
SETTING = Setting(PROGRAMS, Path("/kubeconfig"), 2)
SUITE = "Kubernetes e2e suite"


def spec(name: str) -> Spec:
    return Spec(name, "sig-x", "X")


ALL = [spec(name) for name in (TOKEN, INGRESS, PRIORITY, DAEMONS, "[sig-apps] Job should not be judged")]


def names(specs: list[Spec]) -> list[str]:
    return [each.name for each in specs]


def test_only_conformance_unless_everything() -> None:
    assert names(select(ALL, r"\[sig-apps\]")) == [DAEMONS]
    assert names(select(ALL, r"\[sig-apps\]", everything=True)) == [DAEMONS, "[sig-apps] Job should not be judged"]


def test_skip_takes_away() -> None:
    assert names(select(ALL, ".", "Serial|token")) == [INGRESS]


def test_a_bad_expression_is_named() -> None:
    with pytest.raises(BadPlan, match=r"FOCUS=\(\( is no regular expression"):
        select(ALL, "((")
    with pytest.raises(BadPlan, match="SKIP"):
        select(ALL, ".", "[")


def test_a_name_that_the_suite_does_not_know_is_an_error() -> None:
    assert names(named(ALL, [DAEMONS, TOKEN])) == [DAEMONS, TOKEN]
    with pytest.raises(BadPlan, match="no such test: gone"):
        named(ALL, [TOKEN, "gone"])


def test_the_smoke_selection_is_conformance() -> None:
    assert all("[Conformance]" in name and reason for name, reason in SMOKE.items())


def test_serial_tests_come_after_and_alone() -> None:
    found = parts(ALL, 4)
    assert [(part.name, part.procs, len(part.specs)) for part in found] == [("parallel", 3, 3), ("serial", 1, 2)]
    assert [part.name for part in parts([spec(DAEMONS)], 4)] == ["serial"]


def test_one_process_is_enough_for_one_test() -> None:
    assert parts([spec(TOKEN)], 4) == [Part("parallel", (spec(TOKEN),), 1)]


def test_the_command_line() -> None:
    asked = command(Part("parallel", (spec(TOKEN),), 3), SETTING, Path("/out"), "r.json")
    assert asked[0] == "/bin/ginkgo"
    assert "--procs=3" in asked
    assert asked.index("/bin/e2e.test") + 1 == asked.index("--")
    assert asked[asked.index("--") + 1 :] == suite_flags(SETTING)
    assert "--allowed-not-ready-nodes=0" in suite_flags(SETTING)
    assert "--allowed-not-ready-nodes=-1" in suite_flags(Setting(PROGRAMS, Path("/k"), 2, simulated=True))


def matched(chosen: list[Spec], candidates: list[Spec]) -> set[str]:
    expressions = [re.compile(each) for each in focuses(chosen)]
    return {each.name for each in candidates if any(one.search(f"{SUITE} {each.name}") for one in expressions)}


def test_a_test_whose_name_goes_on_is_not_taken_along() -> None:
    short, long = spec("[sig-a] X should work"), spec("[sig-a] X should work twice [Slow]")
    assert matched([short], [short, long]) == {short.name}


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), unique=True), st.data())
def test_exactly_the_chosen_tests_are_named(texts: list[str], data: st.DataObject) -> None:
    candidates = [spec(f"[sig-a] {text}") for text in texts]
    chosen = data.draw(st.lists(st.sampled_from(candidates), unique=True)) if candidates else []
    assert matched(chosen, candidates) == {each.name for each in chosen}


def test_arguments_stay_below_what_the_kernel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "FOCUS_BYTES", 100)
    chosen = [spec(f"[sig-a] test {number:03}") for number in range(50)]
    assert max(map(len, focuses(chosen))) < 120
    assert matched(chosen, chosen) == set(names(chosen))
