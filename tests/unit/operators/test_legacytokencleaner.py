"""Which old tokens are marked and deleted, and what keeps them."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, make, of, only, run, view_of, writes
from understudy.kinds.core import CONFIG_MAPS, SERVICE_ACCOUNTS, ServiceAccount
from understudy.kinds.secret import (
    ACCOUNT_NAME,
    ACCOUNT_TOKEN,
    ACCOUNT_UID,
    MOUNTING_PODS,
    SECRETS,
    MountingPod,
    Secret,
)
from understudy.loop.controller import REGISTRY
from understudy.operators import legacytokencleaner as cleaner
from understudy.plan.steps import Delete, List, Patch, Requeue, Step
from understudy.state.view import View

OLD = "2024-12-31T00:00:00Z"  # now is 2026-01-02
TODAY = "2026-01-02"


def secret(*, used: str = "", invalid: str = "", type_: str = ACCOUNT_TOKEN, **fields: Any) -> Secret:
    labels = {cleaner.LAST_USED: used, cleaner.INVALID_SINCE: invalid}
    given: dict[str, Any] = {"annotations": {ACCOUNT_NAME: "robot"}, "created": OLD, **fields}
    return make(SECRETS, "token", type=type_, labels={name: day for name, day in labels.items() if day}, **given)


def robot(*secrets: str) -> ServiceAccount:
    return make(SERVICE_ACCOUNTS, "robot", secrets=[{"name": name} for name in secrets])


def world(one: Secret, *, account: ServiceAccount | None = None, since: str = "2024-12-30") -> View:
    tracking = make(CONFIG_MAPS, cleaner.TRACKING[1], cleaner.TRACKING[0], data={"since": since} if since else {})
    held = account or robot("token")
    return view_of({SECRETS: [one], SERVICE_ACCOUNTS: [held], CONFIG_MAPS: [tracking]})


def decide(view: View, *specs: dict[str, Any], after: float = 0) -> list[Step]:
    pods: list[MountingPod] = [make(MOUNTING_PODS, f"p{number}", spec=spec) for number, spec in enumerate(specs)]
    one = next(iter(view.all(SECRETS)))
    now = NOW + timedelta(days=after)
    return run(cleaner.decide(one, view, now), view, lambda step: pods if isinstance(step, List) else None)


def test_an_unused_token_is_marked_then_deleted_a_year_later() -> None:
    view = world(secret())
    steps = decide(view)
    assert only(steps, Requeue).after == 86400
    assert only(steps, Patch).body == {"metadata": {"labels": {cleaner.INVALID_SINCE: TODAY}}}
    assert not writes(decide(view, after=365))
    assert only(decide(view, after=366), Delete).unchanged


@pytest.mark.parametrize(
    "view",
    [
        world(secret(created="2025-06-01T00:00:00Z")),
        world(secret(used="2025-01-02")),
        world(secret(used="recently")),
        world(secret(annotations={ACCOUNT_NAME: "another"})),
        world(secret(annotations={ACCOUNT_NAME: "robot", ACCOUNT_UID: "of another"})),
        world(secret(), account=robot("other")),
        world(secret(), since=""),
        world(secret(), since="2025-01-02"),
        world(secret(), since="2025-13-01"),
    ],
    ids=[
        "young",
        "used",
        "unreadable",
        "no account",
        "namesake",
        "not listed",
        "untracked",
        "a year less a day",
        "no day",
    ],
)
def test_what_is_kept(view: View) -> None:
    steps = decide(view)
    assert [type(step) for step in steps] == [Requeue]


def test_a_token_last_used_long_ago_is_marked_and_an_unreadable_mark_made_anew() -> None:
    assert of(decide(world(secret(used="2025-01-01"))), Patch)
    assert of(decide(world(secret(invalid="2025-1-1"))), Patch)
    assert of(decide(world(secret(invalid="2025-01-01"))), Delete)


def test_others_are_none_of_its_business() -> None:
    assert decide(world(secret(type_="Opaque"))) == []
    assert decide(world(secret(deleting=True))) == []
    when = REGISTRY["legacy-serviceaccount-token-cleaner-controller"].when
    assert when is not None
    assert when(secret(), None)
    assert not when(None, secret())
    assert not when(secret(type_="Opaque"), None)


@pytest.mark.parametrize(
    "spec",
    [
        {"imagePullSecrets": [{"name": "token"}]},
        {"containers": [{"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "token"}}]}]},
        {"initContainers": [{"env": [{"name": "A"}, {"valueFrom": {"secretKeyRef": {"name": "token"}}}]}]},
        {"volumes": [{"name": "v", "secret": {"secretName": "token"}}]},
        {"volumes": [{"name": "v", "azureFile": {"secretName": "token"}}]},
        {"volumes": [{"name": "v", "rbd": {"secretRef": {"name": "token"}}}]},
        {"volumes": [{"name": "v", "csi": {"nodePublishSecretRef": {"name": "token"}}}]},
        {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {}}, {"secret": {"name": "token"}}]}}]},
    ],
)
def test_what_a_pod_mounts_is_kept(spec: dict[str, Any]) -> None:
    assert not writes(decide(world(secret()), {"containers": [{"name": "c"}]}, spec))
    assert writes(decide(world(secret()), {"containers": [{"name": "c"}], "volumes": [{"name": "v", "emptyDir": {}}]}))
