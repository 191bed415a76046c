"""Sequences nobody wrote: hypothesis draws what users do, out of what they may do next.

Called by `__main__` for `--generated` and for names such as `generated-7-3`. Pure: a name tells the seed, and the seed
all the rest. What may be done, and why only that, the models in `generated_workloads` and `generated_jobs` know.
"""

import re
from pprint import pformat

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.oracle.acts import Sequence, Step
from tests.oracle.generated_jobs import Clockwork, jobs
from tests.oracle.generated_moves import Model
from tests.oracle.generated_workloads import OFFERS, workloads

MOST_STEPS = 9
_EXAMPLES = 6
"""Drawn for each sequence; the last counts, since hypothesis begins with the simplest."""
_DRAWING = settings(
    max_examples=_EXAMPLES,
    database=None,
    deadline=None,
    derandomize=False,
    phases=(Phase.generate,),
    suppress_health_check=tuple(HealthCheck),
)
_NAME = re.compile(r"generated-\d+-\d+")

STARTS: tuple[tuple[Model, ...], ...] = (*(tuple(workloads(kind)) for kind in OFFERS), tuple(jobs()), (Clockwork(),))


@st.composite
def sequences(draw: st.DrawFn, name: str, starts: tuple[Model, ...]) -> Sequence:
    """A sequence of at most MOST_STEPS steps on one of what it may start with."""
    model = draw(st.sampled_from(starts))
    steps = [Step("1 create", (model.created(),), 3.0)]
    for number in range(2, draw(st.integers(4, MOST_STEPS)) + 1):
        offered = [each for each in model.offers() if each]
        if not offered:
            break
        move = draw(st.sampled_from(draw(st.sampled_from(offered))))
        steps.append(Step(f"{number} {move.says}", move.acts, move.still))
        model = move.then
    return Sequence(name, tuple(steps))


def name_of(given_seed: int, number: int) -> str:
    return f"generated-{given_seed}-{number}"


def is_drawn(name: str) -> bool:
    """Whether a sequence of that name is drawn, not written."""
    return _NAME.fullmatch(name) is not None


def named(name: str) -> Sequence:
    """The sequence `generated-<seed>-<number>`: the same until the models change. What it begins with goes round."""
    found: list[Sequence] = []

    @seed(name)
    @settings(_DRAWING)
    @given(sequences(name, STARTS[int(name.rpartition("-")[2]) % len(STARTS)]))
    def draw(sequence: Sequence) -> None:
        found.append(sequence)

    draw()
    return found[-1]


def written(sequence: Sequence) -> str:
    """As Python in the words of `acts`, to be added to the written ones."""
    return pformat(sequence, width=120, sort_dicts=False)
