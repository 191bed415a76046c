"""Which objects a resource name of a quota is about: "requests.cpu" Pods, "count/jobs.batch" Jobs.

Used by the ledger, to know whom a change concerns, and by the count. Answers to MatchingResources of the evaluators in
pkg/quota/v1/evaluator/core and apiserver/pkg/quota/v1/generic/evaluator.go.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from understudy.kinds.core import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from understudy.kinds.resource import RESOURCE_CLAIMS

COUNT = "count/"
REQUESTS = "requests."
LIMITS = "limits."
HUGE_PAGES = "hugepages-"
NATIVE = "kubernetes.io/"
STORAGE = f"{REQUESTS}storage"
OF_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
OF_DEVICE_CLASS = ".deviceclass.resource.k8s.io/devices"
NODE_PORTS, LOAD_BALANCERS = "services.nodeports", "services.loadbalancers"
SECRETS_ID = "secrets"

COMPUTE = ("cpu", "memory", "ephemeral-storage")
"""What Pods request and are limited in, beside huge pages and extended resources."""
ALIASES = {
    SECRETS_ID: SECRETS_ID,
    CONFIG_MAPS.plural: CONFIG_MAPS.id,
    REPLICATION_CONTROLLERS.plural: REPLICATION_CONTROLLERS.id,
    RESOURCE_QUOTAS.plural: RESOURCE_QUOTAS.id,
}
"""Names from before "count/" that mean just the number of objects."""
_KNOWN = {
    **ALIASES,
    PODS.plural: PODS.id,
    **{name: PODS.id for plain in COMPUTE for name in (plain, REQUESTS + plain, LIMITS + plain)},
    **dict.fromkeys((SERVICES.plural, NODE_PORTS, LOAD_BALANCERS), SERVICES.id),
    **dict.fromkeys((PERSISTENT_VOLUME_CLAIMS.plural, STORAGE), PERSISTENT_VOLUME_CLAIMS.id),
}
_CLAIM_SUFFIXES = (OF_STORAGE_CLASS + PERSISTENT_VOLUME_CLAIMS.plural, OF_STORAGE_CLASS + STORAGE)


@lru_cache(maxsize=4096)
def counted_by(name: str) -> str:
    """The id of the kind whose objects `name` counts or measures; "" if it is nothing a quota is kept of."""
    if name.startswith(COUNT):
        return name.removeprefix(COUNT)
    if name in _KNOWN:
        return _KNOWN[name]
    if name.endswith(_CLAIM_SUFFIXES):
        return PERSISTENT_VOLUME_CLAIMS.id
    if name.endswith(OF_DEVICE_CLASS):
        return RESOURCE_CLAIMS.id
    huge = name.removeprefix(REQUESTS).startswith(HUGE_PAGES)
    return PODS.id if huge or (name.startswith(REQUESTS) and is_qualified(name)) else ""


def is_qualified(name: str) -> bool:
    """Whether it is of a domain that is not Kubernetes' own, as extended resources are."""
    return "/" in name and NATIVE not in name


def by_kind(names: Iterable[str]) -> dict[str, set[str]]:
    """The names sorted by the kind they count; what nobody counts is left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        kind_id = counted_by(name)
        if kind_id:
            found[kind_id].add(name)
    return found
