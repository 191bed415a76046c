"""The plugin, tested without a server: where pods go, what they are told, and that both forms agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.scheduler_plugin.carbon import ANNOTATION, Carbon, FastCarbon
from understudy.scheduler.cycle import Placement
from understudy.testing.scheduling import Cluster, node, pod


def cluster(*carbon: str, plugin: type[Carbon] = Carbon) -> Cluster:
    found = Cluster(plugin)
    for number, grams in enumerate(carbon):
        found.add_node(node(f"node-{number}", **({"example_com__carbon": grams} if grams else {})))
    return found


def test_pods_go_where_power_is_cleaner() -> None:
    assert cluster("400", "30", "200").node_for(pod()) == "node-1"


def test_a_limit_is_kept_and_told() -> None:
    said = cluster("400", "300").decide(pod(annotations={ANNOTATION: "100"}))

    assert not isinstance(said, Placement)
    assert said.message.startswith("0/2 nodes are available: 2 node(s) had too much carbon.")


def test_nodes_that_do_not_say_are_taken_to_be_dirty() -> None:
    assert cluster("", "499").node_for(pod()) == "node-1"
    assert cluster("", "501").node_for(pod()) == "node-0"


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="Carbon: unknown is 'much', not grams a kWh"):
        Cluster(Carbon, arguments={"Carbon": {"unknown": "much"}})


@given(st.lists(st.sampled_from(["", "0", "30", "400", "dirty"]), min_size=1), st.sampled_from(["", "0", "100", "x"]))
def test_the_array_form_says_what_the_plain_form_says(carbon: list[str], limit: str) -> None:
    wanted = pod(annotations={ANNOTATION: limit} if limit else {})
    slow, fast = cluster(*carbon), cluster(*carbon, plugin=FastCarbon)
    fast.check_forms(FastCarbon({}, fast.state.handle), wanted)

    assert slow.decide(wanted, 0.5) == fast.decide(wanted, 0.5)
