"""The default ServiceAccount of each namespace."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.unit.operators.decisions import make, only, run, view_of, writes
from understudy.errors import AlreadyExists, Forbidden
from understudy.kinds.core import NAMESPACES, SERVICE_ACCOUNTS, Namespace
from understudy.operators import serviceaccount
from understudy.plan.steps import Create, Step
from understudy.state.view import View

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TERMINATING = Forbidden(403, "Forbidden", "no", {"causes": [{"reason": "NamespaceTerminating"}]})


def namespace(phase: str = "Active") -> Namespace:
    return make(NAMESPACES, "shop", namespace="", status={"phase": phase})


def view(*accounts: str) -> View:
    return view_of({SERVICE_ACCOUNTS: [make(SERVICE_ACCOUNTS, name, namespace="shop") for name in accounts]})


def refuse(error: Exception) -> Callable[[Step], None]:
    def answer(_: Step) -> None:
        raise error

    return answer


def test_a_missing_default_account_is_created() -> None:
    seen = view("other")
    create = only(run(serviceaccount.decide(namespace(), seen, NOW), seen), Create)
    assert (create.kind, create.namespace, create.body["metadata"]["name"]) == (SERVICE_ACCOUNTS, "shop", "default")


def test_nothing_is_done_when_it_is_there() -> None:
    assert not writes(run(serviceaccount.decide(namespace(), view("default"), NOW)))


def test_a_terminating_namespace_gets_none() -> None:
    assert not writes(run(serviceaccount.decide(namespace("Terminating"), view(), NOW)))


@pytest.mark.parametrize("error", [TERMINATING, AlreadyExists(409, "AlreadyExists")])
def test_a_namespace_that_just_began_to_end_or_an_account_that_just_came_is_no_failure(error: Exception) -> None:
    run(serviceaccount.decide(namespace(), view(), NOW), answer=refuse(error))


def test_any_other_refusal_is_tried_again() -> None:
    with pytest.raises(Forbidden):
        run(serviceaccount.decide(namespace(), view(), NOW), answer=refuse(Forbidden(403, "Forbidden", "quota")))


def test_only_the_deletion_of_the_default_account_wakes() -> None:
    default, other = (make(SERVICE_ACCOUNTS, name, namespace="shop") for name in ("default", "other"))
    changed = serviceaccount._default_changed
    assert changed(None, default)
    assert not changed(None, other)
    assert not changed(default, default)
