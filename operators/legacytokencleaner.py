"""legacy-serviceaccount-token-cleaner-controller: generated token Secrets that nobody used for a year are removed.

In two steps, a year apart: marked invalid, so that a use is refused and noticed, then deleted. Answers to
pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go (KEP-2799).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from understudy.kinds.core import CONFIG_MAPS, SERVICE_ACCOUNTS
from understudy.kinds.secret import (
    ACCOUNT_NAME,
    ACCOUNT_TOKEN,
    ACCOUNT_UID,
    MOUNTING_PODS,
    SECRETS,
    MountingPod,
    Secret,
)
from understudy.loop.controller import controller, may
from understudy.plan.steps import Decision, Delete, List, Patch, Requeue
from understudy.state.view import View
from understudy.values import timestamp

PERIOD = timedelta(days=365)
"""--legacy-service-account-token-clean-up-period"""
INTERVAL = timedelta(days=1)
TRACKING = ("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
"""The ConfigMap in which API servers say since when they have noted the use of tokens."""
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _is_token(new: Secret | None, _: Secret | None) -> bool:
    return new is not None and new.type == ACCOUNT_TOKEN


@controller(
    "legacy-serviceaccount-token-cleaner-controller",
    of=SECRETS,
    reads=(SERVICE_ACCOUNTS, CONFIG_MAPS),
    rights=(may("patch delete", SECRETS), may("list", MOUNTING_PODS)),
    source="legacy-service-account-token-cleaner",
    upstream="pkg/controller/serviceaccount",
    workers=1,
    when=_is_token,
)
def decide(secret: Secret, view: View, now: datetime) -> Decision:
    """Generated tokens that were not used for a year are marked invalid, and deleted after another."""
    if secret.type != ACCOUNT_TOKEN or secret.deleting:
        return
    yield Requeue(INTERVAL.total_seconds(), why="a token grows old a day at a time")
    if not _is_tracked(view, now) or not _is_unused(secret, now) or not _is_generated(secret, view):
        return
    pods: list[MountingPod] = yield List(MOUNTING_PODS, secret.namespace, why="what a Pod mounts is in use")
    if not any(secret.name in mounted(pod.spec) for pod in pods):
        yield from _clean(secret, now)


def _clean(secret: Secret, now: datetime) -> Decision:
    since = secret.metadata.labels.get(INVALID_SINCE, "")
    if parse(since) is None:
        body = {"metadata": {"labels": {INVALID_SINCE: now.date().isoformat()}}}
        yield Patch(SECRETS, secret, body, why="nobody has used the token for a year", guard="uid")
    elif since < _oldest(now):
        yield Delete(SECRETS, secret, why="the token has been invalid for a year", unchanged=True)


def _oldest(now: datetime) -> str:
    """The day a period ago; days compare as text."""
    return (now - PERIOD).date().isoformat()


def parse(day: str) -> datetime | None:
    """The beginning of a day such as 2026-01-02; None if it is none."""
    if _DATE.fullmatch(day) is None:
        return None
    try:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_tracked(view: View, now: datetime) -> bool:
    """Whether the use of tokens has been noted for a whole period."""
    tracking = view.get(CONFIG_MAPS, *TRACKING)
    since = parse(tracking.data.get("since", "")) if tracking is not None else None
    return since is not None and now >= since + INTERVAL + PERIOD


def _is_unused(secret: Secret, now: datetime) -> bool:
    created = secret.metadata.creationTimestamp
    if created is None or timestamp.parse(created) >= now - PERIOD:
        return False
    used = secret.metadata.labels.get(LAST_USED)
    return used is None or (parse(used) is not None and used < _oldest(now))


def _is_generated(secret: Secret, view: View) -> bool:
    """Whether its account lists it, as accounts did with the tokens that were made for them."""
    name, uid = (secret.metadata.annotations.get(each, "") for each in (ACCOUNT_NAME, ACCOUNT_UID))
    account = view.get(SERVICE_ACCOUNTS, secret.namespace, name)
    if account is None or uid not in ("", account.uid):
        return False
    return any(each.name == secret.name for each in account.secrets)


# Who mounts what


def mounted(spec: Mapping[str, Any]) -> set[str]:
    """The names of the Secrets a pod spec speaks of (VisitPodSecretNames in pkg/api/v1/pod/util.go)."""
    containers = [
        each for part in ("initContainers", "containers", "ephemeralContainers") for each in spec.get(part, ())
    ]
    references = [
        *spec.get("imagePullSecrets", ()),
        *(source.get("secretRef") for each in containers for source in each.get("envFrom", ())),
        *((entry.get("valueFrom") or {}).get("secretKeyRef") for each in containers for entry in each.get("env", ())),
    ]
    names = {each.get("name", "") for each in references if each}
    return (names | {name for volume in spec.get("volumes", ()) for name in _in_volume(volume)}) - {""}


def _in_volume(volume: Mapping[str, Any]) -> Iterable[str]:
    for source in volume.values():
        if isinstance(source, dict):
            yield source.get("secretName", "")
            for reference in ("secretRef", "nodePublishSecretRef"):
                yield (source.get(reference) or {}).get("name", "")
            for projected in source.get("sources") or ():
                yield (projected.get("secret") or {}).get("name", "")
