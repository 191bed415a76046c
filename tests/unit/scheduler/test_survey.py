"""What each node is to a pod: for every cluster and pod as the reference says it, and nothing is changed by looking."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler import reference
from tests.unit.scheduler.builders import Json, container, node, pod
from tests.unit.scheduler.reference import World
from tests.unit.scheduler.test_cycle import NAMES, nodes, wishes
from understudy.scheduler.kinds import Node
from understudy.scheduler.state import State
from understudy.scheduler.survey import NOMINATED, survey


def filled(*there: Node) -> State:
    state = State(["default-scheduler"])
    for each in there:
        state.columns.set_node(each)
    return state


@given(st.lists(nodes, max_size=7), st.lists(st.tuples(wishes, st.sampled_from(NAMES)), max_size=6), wishes)
def test_it_says_what_the_reference_says(there: list[Node], pods: list[tuple[Json, str]], wish: Json) -> None:
    state, world = filled(*there), World({each.name: each for each in there})
    for number, (other, name) in enumerate(pods):
        there_is = pod(f"other-{number}", **other)
        there_is.spec.nodeName = name
        state.settle(there_is)
        world.pods.setdefault(name, []).append(there_is)
    wanted = pod("web", **{key: value for key, value in wish.items() if key != "nodeName"})
    shape, views = state.shapes.describe(wanted).shape, world.views()
    feasible = {name: view for name, view in views.items() if not reference.reasons(shape, view)}
    if shape.names is not None:
        feasible = {name: view for name, view in feasible.items() if name in shape.names}
    scores = reference.totals(shape, feasible) if not shape.conflict else {}

    said = survey(wanted, state)

    assert {each.node: each.score for each in said if not each.rejected} == scores
    assert {each.node for each in said} == set(world.nodes)
    for one in said:
        outside = shape.names is not None and one.node not in shape.names
        if one.rejected and not outside and not shape.conflict:
            assert one.reasons == reference.reasons(shape, views[one.node])
    ordered = [each.score for each in said if each.score is not None]
    assert ordered == sorted(ordered, reverse=True)


def test_a_pod_that_is_placed_is_looked_at_as_if_it_were_not() -> None:
    state = filled(node("small", cpu="1"), node("full", cpu="1"))
    one, other = pod("web", container("1"), node_name="small"), pod("other", container("1"), node_name="full")
    state.settle(one)
    state.settle(other)
    before = state.columns.requested.copy()

    said = {each.node: each for each in survey(one, state)}

    assert (said["small"].rejected, said["full"].rejected) == ("", "NodeResourcesFit")
    assert said["full"].reasons == ["Insufficient cpu"]
    assert (state.columns.requested == before).all()


def test_room_that_is_kept_for_a_nominated_pod_is_not_to_be_had() -> None:
    state = filled(node("only", cpu="1"))
    first = pod("first", container("1"), priority=9)
    state.nominations.set(state.shapes.describe(first), "only")

    (said,) = survey(pod("web", container("1")), state)

    assert (said.rejected, said.reasons) == ("DefaultPreemption", [NOMINATED])
    assert [each.rejected for each in survey(first, state)] == [""]
