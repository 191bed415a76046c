"""One case given to both sides. Called by `__main__` and the tests."""

from tests.oracle_scheduler import ours
from tests.oracle_scheduler.compare import differences
from tests.oracle_scheduler.drawn import Json
from tests.oracle_scheduler.upstream import Upstream
from tests.oracle_scheduler.verdict import Verdict

TIMES = 10
"""How often upstream is asked before a difference counts: its caches of volumes may still fill when it is first."""


async def judged(judge: Upstream, case: Json) -> tuple[Verdict, list[str]]:
    """What upstream says of the case, and what differs from that."""
    mine = await ours.judge(case)
    for _ in range(TIMES):
        theirs = judge.judge(case)
        found = differences(case, theirs, mine)
        if not found:
            break
    return theirs, found
