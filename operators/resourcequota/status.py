"""What is written into a quota's status: its limits as they apply now, and what is used of them.

Called by the decision. Answers to syncResourceQuota in pkg/controller/resourcequota/resource_quota_controller.go.
"""

from collections.abc import Mapping

from understudy.kinds.core import RESOURCE_QUOTAS, ResourceQuota
from understudy.operators.resourcequota.amounts import Amounts, same
from understudy.plan.steps import Patch


def report(quota: ResourceQuota, counted: Amounts) -> Patch | None:
    """The patch that makes the status true, None if it is. What could not be counted stays as it was."""
    hard, known = quota.spec.hard, quota.status
    observed = {**known.used, **{name: str(amount) for name, amount in counted.items()}}
    used = {name: text for name, text in observed.items() if name in hard}
    body: dict[str, Mapping[str, str | None]] = {}
    if not same(hard, known.hard):
        body["hard"] = _difference(hard, known.hard)
    if not same(used, known.used):
        body["used"] = _difference(used, known.used)
    if not body:
        return None
    why = ", ".join(f"{name} {used.get(name, '?')} of {limit}" for name, limit in hard.items())
    return Patch(RESOURCE_QUOTAS, quota, {"status": body}, why=why or "nothing is limited", subresource="status")


def _difference(wanted: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str | None]:
    """The merge patch from `known` to `wanted`."""
    changed = {name: text for name, text in wanted.items() if known.get(name) != text}
    return {**changed, **{name: None for name in known if name not in wanted}}
