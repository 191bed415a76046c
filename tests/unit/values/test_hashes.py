"""Pod template hashes, and which templates are the same."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import hashes, names

LABEL = "pod-template-hash"


def template() -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "web:1",
                    "args": ["a", "b"],
                    "resources": {"limits": {"cpu": "1", "memory": "2Gi"}},
                }
            ],
            "securityContext": {},
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
        },
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The template with the value at the path; numbers in the path are positions in lists."""
    made = template()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target: Any = made
    for part in parents:
        target = target[part]
    target[last] = value
    return made


# All the same pod template, as apiequality.Semantic.DeepEqual says.
SAME: list[tuple[str, Any]] = [
    ("metadata.labels", {"app": "web", LABEL: "abc"}),
    ("metadata.annotations", {}),
    ("metadata.annotations", None),
    ("metadata.finalizers", []),
    ("spec.nodeSelector", {}),
    ("spec.tolerations", None),
    ("spec.containers.0.env", []),
    ("spec.containers.0.resources", {"limits": {"cpu": "1000m", "memory": "2048Mi"}, "requests": {}}),
    ("spec.volumes.0.emptyDir", {"sizeLimit": "1024Mi"}),
]

DIFFERENT: list[tuple[str, Any]] = [
    ("metadata.labels", {"app": "api"}),
    ("metadata.labels", {}),
    ("metadata.annotations", {"a": ""}),
    ("spec.containers", []),
    ("spec.containers.0.image", "web:2"),
    ("spec.containers.0.args", ["b", "a"]),
    ("spec.containers.0.args", ["a", "b", ""]),
    ("spec.containers.0.resources", {"limits": {"cpu": "1001m", "memory": "2Gi"}}),
    ("spec.containers.0.resources", {"requests": {"cpu": "1", "memory": "2Gi"}}),
    ("spec.securityContext", None),
    ("spec.affinity", {}),
    ("spec.volumes.0.emptyDir", {}),
    ("spec.terminationGracePeriodSeconds", 0),
]


@pytest.mark.parametrize(("path", "value"), SAME)
def test_same_templates(path: str, value: Any) -> None:
    assert hashes.equal_ignoring_hash(template(), changed(path, value))
    assert hashes.equal_ignoring_hash(changed(path, value), template())


@pytest.mark.parametrize(("path", "value"), SAME[1:])
def test_same_templates_have_the_same_hash(path: str, value: Any) -> None:
    assert hashes.template_hash(template(), None) == hashes.template_hash(changed(path, value), None)


@pytest.mark.parametrize(("path", "value"), DIFFERENT)
def test_different_templates(path: str, value: Any) -> None:
    assert not hashes.equal_ignoring_hash(template(), changed(path, value))
    assert not hashes.equal_ignoring_hash(changed(path, value), template())
    assert hashes.template_hash(template(), None) != hashes.template_hash(changed(path, value), None)


def test_two_optional_structs_that_mean_opposite_things() -> None:
    """A namespaceSelector of {} selects all namespaces, none at all only the pod's own."""
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    wider = copy.deepcopy(affinity)
    wider["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["namespaceSelector"] = {}
    assert not hashes.equal_ignoring_hash(changed("spec.affinity", affinity), changed("spec.affinity", wider))


def test_quantities_are_amounts_only_where_the_api_has_quantities() -> None:
    one, thousandth = ({"sizeLimit": text, "limits": text} for text in ("1", "1000m"))
    assert not hashes.equal_ignoring_hash(
        changed("metadata.annotations", one), changed("metadata.annotations", thousandth)
    )


def test_what_is_no_quantity_is_compared_as_text() -> None:
    first, second = changed("spec.overhead", {"cpu": "much"}), changed("spec.overhead", {"cpu": "more"})
    assert hashes.equal_ignoring_hash(first, copy.deepcopy(first))
    assert not hashes.equal_ignoring_hash(first, second)
    assert hashes.template_hash(first, None) != hashes.template_hash(second, None)


def test_templates_may_lack_metadata() -> None:
    spec = template()["spec"]
    assert hashes.equal_ignoring_hash({"spec": spec}, {"metadata": None, "spec": spec})
    assert hashes.equal_ignoring_hash({"spec": spec}, {"metadata": {"labels": {LABEL: "x"}}, "spec": spec})


def test_comparing_leaves_the_templates_alone() -> None:
    left, right = changed("metadata.labels", {"app": "web", LABEL: "x"}), template()
    before = copy.deepcopy((left, right))
    hashes.equal_ignoring_hash(left, right)
    assert (left, right) == before


def test_the_hash_is_stable_over_releases() -> None:
    """A template that comes back after its ReplicaSet was pruned gets the name it had."""
    assert hashes.template_hash(template(), None) == "74f6d5c589"
    assert hashes.template_hash({}, 1) == "648d6bd896"
    assert hashes.template_hash({}, None) == "5859f96865"


def test_the_order_of_keys_does_not_matter() -> None:
    turned = {key: template()[key] for key in reversed(template())}
    assert hashes.template_hash(turned, None) == hashes.template_hash(template(), None)


def test_collision_counts_change_the_hash() -> None:
    counts = [None, 0, 1, 2, 2**31 - 1]
    assert len({hashes.template_hash(template(), count) for count in counts}) == len(counts)


TEXTS = st.text("aé😀\x00 ")


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none()), st.none() | st.integers(0, 2**31 - 1))
def test_hashes_are_label_values_of_the_alphabet(labels: dict[str, Any], count: int | None) -> None:
    made = hashes.template_hash({"metadata": {"labels": labels}}, count)
    assert 1 <= len(made) <= 10
    assert set(made) <= set(names.ALPHABET)


# From Go's hash/fnv.
@pytest.mark.parametrize(
    ("data", "number"),
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968), (b"web-1", 0x76B7B71F)],
)
def test_fnv1a32(data: bytes, number: int) -> None:
    assert hashes.fnv1a32(data) == number


@given(st.binary(), st.binary())
def test_a_hash_can_be_continued(first: bytes, second: bytes) -> None:
    assert hashes.fnv1a32(second, hashes.fnv1a32(first)) == hashes.fnv1a32(first + second)
