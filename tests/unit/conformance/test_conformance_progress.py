"""What ginkgo prints, turned into tests that are over: in parallel and one by one."""

import pytest

from tests.conformance.progress import Ended, Progress, plain
from tests.unit.conformance.samples import DAEMONS, INGRESS, INGRESS_CLASS, PRIORITY, TOKEN, lines


def ended(sample: str) -> tuple[Progress, list[Ended]]:
    progress = Progress()
    found = [progress.feed(line) for line in lines(sample)]
    return progress, [each for each in found if each]


def test_in_parallel_the_name_comes_after_the_result() -> None:
    progress, tests = ended("parallel.log")
    assert tests == [
        Ended(INGRESS_CLASS, "passed", 0.057),
        Ended(INGRESS, "passed", 0.068),
        Ended(TOKEN, "failed", 2.264),
    ]
    assert (progress.done, progress.failed, progress.running) == (3, 1, "")


def test_alone_the_name_of_a_test_that_passed_came_before() -> None:
    progress, tests = ended("alone-passed.log")
    assert tests == [Ended(PRIORITY, "passed", 60.219)]
    assert progress.failed == 0


def test_alone_a_failure_is_told_once_and_an_interruption_is_one() -> None:
    progress, tests = ended("alone.log")
    assert tests == [Ended(TOKEN, "failed", 2.213), Ended(DAEMONS, "interrupted", 296.532)]
    assert progress.failed == 2


def test_what_runs_is_known_when_tests_run_one_by_one() -> None:
    progress, seen = Progress(), []
    for line in lines("alone.log"):
        progress.feed(line)
        seen.append(progress.running)
    assert list(dict.fromkeys(seen)) == ["", TOKEN, DAEMONS]


def test_what_ginkgo_says_before_any_test_is_kept() -> None:
    progress = Progress()
    for line in ("Ginkgo timed out waiting", "", "  unknown additional command line arguments: [x]"):
        assert progress.feed(line) is None
    assert progress.said == ["Ginkgo timed out waiting", "  unknown additional command line arguments: [x]"]


def test_a_test_that_skips_itself_is_no_failure() -> None:
    progress = Progress()
    assert progress.feed("S [SKIPPED] [0.011 seconds]") is None
    assert progress.feed("[sig-node] Sysctls [It] should work [sig-node]") == Ended(
        "[sig-node] Sysctls should work", "skipped", 0.011
    )
    assert progress.failed == 0


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"{DAEMONS} [sig-apps, Serial, Conformance]", DAEMONS),
        (
            "[sig-apps] Job [BeforeEach] should run [Feature:X] [sig-apps, Feature:X]",
            "[sig-apps] Job should run [Feature:X]",
        ),
        ("[sig-apps] Job should run [It] self [sig-apps]", "[sig-apps] Job should run self"),
    ],
)
def test_labels_and_the_node_that_failed_are_no_part_of_a_name(line: str, name: str) -> None:
    assert plain(line) == name
