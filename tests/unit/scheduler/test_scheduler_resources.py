"""What pods ask for and nodes offer; the figures are those of upstream's formulas, worked out by hand."""

import pytest

from tests.unit.scheduler.builders import container, pod
from understudy.scheduler.resources import DEFAULTS, LIMIT, allocatable, is_counted, pod_requests, scored_requests

Mi = 1024 * 1024
SIDECAR = "Always"


def test_containers_are_summed() -> None:
    requests = pod_requests(pod("p", container("250m", "64Mi"), container("1", example_com__gpu="2")))

    assert requests == {"cpu": 1250, "memory": 64 * Mi, "example.com/gpu": 2}


def test_overhead_is_added() -> None:
    requests = pod_requests(pod("p", container("1"), overhead={"cpu": "100m", "memory": "10Mi"}))

    assert requests == {"cpu": 1100, "memory": 10 * Mi}


def test_an_init_container_counts_if_it_needs_more_than_all_others() -> None:
    requests = pod_requests(pod("p", container("1", "1Mi"), container("1"), initContainers=[container("3", "2Mi")]))

    assert requests == {"cpu": 3000, "memory": 2 * Mi}


def test_init_containers_run_one_after_the_other() -> None:
    requests = pod_requests(pod("p", container("1"), initContainers=[container("2", "1Mi"), container("2", "3Mi")]))

    assert requests == {"cpu": 2000, "memory": 3 * Mi}


def test_a_sidecar_runs_beside_the_containers_and_beside_later_init_containers() -> None:
    early = [container("4"), container("1", restartPolicy=SIDECAR), container("3500m")]

    assert pod_requests(pod("p", container("2"), initContainers=early)) == {"cpu": 4500}
    assert pod_requests(pod("p", container("4"), initContainers=early)) == {"cpu": 5000}


def test_sidecars_add_up_while_starting() -> None:
    sidecars = [container("1", restartPolicy=SIDECAR), container("2", restartPolicy=SIDECAR), container("1")]

    assert pod_requests(pod("p", container("500m"), initContainers=sidecars)) == {"cpu": 4000}


def test_requests_of_the_pod_replace_those_of_its_containers() -> None:
    asked = {"requests": {"cpu": "2", "example.com/gpu": "9", "hugepages-2Mi": "4Mi"}}
    requests = pod_requests(pod("p", container("5", "1Mi"), resources=asked, overhead={"cpu": "1"}))

    assert requests == {"cpu": 3000, "memory": Mi, "hugepages-2Mi": 4 * Mi}


def test_a_pod_being_resized_holds_the_most_of_what_it_had_and_will_have() -> None:
    status = {
        "containerStatuses": [
            {"name": "c", "allocatedResources": {"cpu": "2"}, "resources": {"requests": {"cpu": "1500m"}}}
        ]
    }

    assert pod_requests(pod("p", container("1"), status=status)) == {"cpu": 2000}
    assert pod_requests(pod("p", container("3"), status=status)) == {"cpu": 3000}


def test_a_resize_that_cannot_be_holds_what_the_pod_has() -> None:
    status = {
        "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}],
        "containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}],
    }

    assert pod_requests(pod("p", container("64"), status=status)) == {"cpu": 1000}


def test_the_status_of_an_init_container_that_has_ended_is_not_looked_at() -> None:
    status = {"initContainerStatuses": [{"name": "i", "resources": {"requests": {"cpu": "9"}}}]}

    assert pod_requests(pod("p", container("1"), initContainers=[container("2", name="i")], status=status)) == {
        "cpu": 2000
    }


def test_absurd_amounts_do_not_overflow_and_fit_nowhere() -> None:
    requests = pod_requests(pod("p", container("9E", "9E"), container("9E", "9E")))
    offered = allocatable({"cpu": "9E", "memory": "9E"})

    assert requests == {"cpu": LIMIT + 1, "memory": LIMIT + 1}
    assert offered == {"cpu": LIMIT, "memory": LIMIT}


def test_what_cannot_be_read_counts_as_none() -> None:
    assert pod_requests(pod("p", container("one"))) == {"cpu": 0}


def test_scores_count_defaults_for_each_container_that_asks_for_nothing() -> None:
    two = pod("p", container("1"), container("", "1Mi"))

    assert scored_requests(two, pod_requests(two)) == (1100, DEFAULTS["memory"] + Mi)


def test_scores_count_what_is_asked_where_all_is_asked() -> None:
    one = pod("p", container("1", "1Mi"))

    assert scored_requests(one, pod_requests(one)) == (1000, Mi)


def test_scores_count_an_explicit_zero() -> None:
    one = pod("p", container("0", "0"))

    assert scored_requests(one, pod_requests(one)) == (0, 0)


def test_scores_count_defaults_beside_what_a_resize_gave_a_container() -> None:
    held = {"name": "c", "allocatedResources": {"cpu": "333m"}, "resources": {"requests": {"cpu": "333m"}}}
    one = pod("p", container(), status={"containerStatuses": [held]})

    assert scored_requests(one, pod_requests(one)) == (333, DEFAULTS["memory"])


def test_scores_fill_in_only_what_pod_level_requests_leave_open() -> None:
    one = pod("p", container(), container(), resources={"requests": {"cpu": "1"}})

    assert scored_requests(one, pod_requests(one)) == (1000, 2 * DEFAULTS["memory"])


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("cpu", True),
        ("ephemeral-storage", True),
        ("hugepages-1Gi", True),
        ("example.com/gpu", True),
        ("attachable-volumes-csi", True),
        ("storage", False),
    ],
)
def test_which_resources_are_counted(name: str, counted: bool) -> None:
    assert is_counted(name) is counted
