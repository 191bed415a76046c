"""A few hundred drawn cases on upstream's plugins and on ours; `make oracle-scheduler` plays as many as one likes.

Skipped where scheduler-oracle has not been built: `understudy toolchain build --for oracle`.
"""

from collections.abc import Iterator

import pytest

from tests.oracle_scheduler import drawn, known, ours
from tests.oracle_scheduler.compare import differences
from tests.oracle_scheduler.referee import judged
from tests.oracle_scheduler.upstream import GROUP, TOOL, Upstream, upstream
from understudy.cluster.toolchain import locate

CASES = 40


@pytest.fixture(scope="module")
def judge() -> Iterator[Upstream]:
    found = locate(TOOL)
    if found is None:
        pytest.skip(f"{TOOL} is not built: understudy toolchain build --for {GROUP}")
    with upstream(found.path) as process:
        yield process


@pytest.mark.parametrize("topic", drawn.TOPICS)
async def test_all_but_known_differences_are_none(judge: Upstream, topic: drawn.TopicName) -> None:
    for seed in range(CASES):
        case = drawn.case(seed, topic)
        _, found = await judged(judge, case)
        assert [line for line in found if not known.reason(case, line)] == [], f"seed {seed}"


async def test_a_difference_is_seen(judge: Upstream) -> None:
    """Each side is given another case: what is compared does differ."""
    differ = 0
    for seed in range(CASES):
        one, other = drawn.case(seed, "resources"), drawn.case(seed + 1, "resources")
        differ += bool(differences(one, judge.judge(one), await ours.judge(other)))
    assert differ > CASES // 2
