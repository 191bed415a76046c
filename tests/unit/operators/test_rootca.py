"""The CA every namespace holds."""

from datetime import UTC, datetime

import pytest

from tests.unit.operators.decisions import make, run, view_of, writes
from understudy.errors import Forbidden, NotFound
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, ConfigMap, Namespace
from understudy.operators import rootca
from understudy.plan.steps import Create, Patch, Step
from understudy.state.view import View

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CA = "-----BEGIN CERTIFICATE-----\n…"
TERMINATING = Forbidden(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]})


def namespace(phase: str = "Active") -> Namespace:
    return make(NAMESPACES, "shop", namespace="", status={"phase": phase})


def held(data: dict[str, str], annotations: dict[str, str] | None = None) -> ConfigMap:
    return make(CONFIG_MAPS, rootca.NAME, namespace="shop", data=data, annotations=annotations)


def view(*config_maps: ConfigMap, ca: str = CA) -> View:
    found = view_of({CONFIG_MAPS: config_maps})
    found.settings = {"root-ca": ca} if ca else {}
    return found


def decided(seen: View, phase: str = "Active") -> list[Step]:
    return writes(run(rootca.decide(namespace(phase), seen, NOW), seen))


def test_it_is_published_where_missing() -> None:
    (create,) = decided(view())
    assert isinstance(create, Create)
    assert create.body["data"] == {"ca.crt": CA}
    assert create.body["metadata"]["annotations"] == {rootca.ANNOTATION: rootca.DESCRIPTION}


@pytest.mark.parametrize(
    "wrong",
    [
        held({"ca.crt": "another"}, {rootca.ANNOTATION: "x"}),
        held({"ca.crt": CA, "more": "x"}, {rootca.ANNOTATION: "x"}),
        held({}, {rootca.ANNOTATION: "x"}),
        held({"ca.crt": CA}),
    ],
    ids=["other CA", "more entries", "emptied", "no description"],
)
def test_it_is_repaired_when_changed(wrong: ConfigMap) -> None:
    seen = view(wrong)
    (patch,) = decided(seen)
    assert isinstance(patch, Patch)
    repaired = seen.get(CONFIG_MAPS, "shop", rootca.NAME)
    assert repaired is not None
    assert repaired.data == {"ca.crt": CA}
    assert not decided(seen)


def test_a_right_one_is_left_alone_whatever_its_description_says() -> None:
    assert not decided(view(held({"ca.crt": CA}, {rootca.ANNOTATION: "my own words"})))


def test_nothing_without_a_certificate_or_in_a_terminating_namespace() -> None:
    assert not decided(view(ca=""))
    assert not decided(view(), "Terminating")


@pytest.mark.parametrize("error", [TERMINATING, NotFound(404, "NotFound")])
def test_a_namespace_that_goes_away_is_no_failure(error: Exception) -> None:
    def refuse(_: Step) -> object:
        raise error

    run(rootca.decide(namespace(), view(), NOW), answer=refuse)
