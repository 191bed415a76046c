"""clusterrole-aggregation-controller: a ClusterRole with an aggregationRule has the rules of those it selects.

So `admin`, `edit` and `view` grow with what others add. Answers to
pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from understudy.kinds.meta import Key
from understudy.kinds.rbac import CLUSTER_ROLES, ClusterRole, PolicyRule
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Decision, Patch
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import selector

AGGREGATED: Index[ClusterRole] = Index("aggregated", lambda role: () if role.aggregationRule is None else ("",))


def _aggregated(_: ClusterRole, view: View) -> Iterable[Key]:
    return [role.key for role in view.by(CLUSTER_ROLES, AGGREGATED, "")]


def _matters(new: ClusterRole | None, old: ClusterRole | None) -> bool:
    """Whether another role may have to change for it."""
    if new is None or old is None:
        return True
    return new.rules != old.rules or new.metadata.labels != old.metadata.labels


def _is_aggregated(new: ClusterRole | None, _: ClusterRole | None) -> bool:
    return new is not None and new.aggregationRule is not None


@controller(
    "clusterrole-aggregation-controller",
    of=CLUSTER_ROLES,
    watches=(On(CLUSTER_ROLES, _aggregated, _matters),),
    rights=(may("patch escalate", CLUSTER_ROLES),),  # escalate: it writes rules it has not itself
    source="clusterrole-aggregation-controller",
    upstream="pkg/controller/clusterroleaggregation",
    workers=5,
    when=_is_aggregated,
)
def decide(role: ClusterRole, view: View, _: datetime) -> Decision:
    """An aggregated role has the rules of all that its selectors match, each once."""
    if role.aggregationRule is None:
        return
    rules = gathered(role, view.all(CLUSTER_ROLES))
    if rules != (role.rules or []):
        body = {"rules": msgspec.to_builtins(rules)}
        yield Patch(CLUSTER_ROLES, role, body, why="the roles it aggregates have these rules")


def gathered(role: ClusterRole, roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    """The rules of the other roles it selects, by selector, then by name; of equal ones the first."""
    selectors = (role.aggregationRule.clusterRoleSelectors if role.aggregationRule is not None else None) or []
    others = sorted((each for each in roles if each.name != role.name), key=lambda each: each.name)
    found: dict[PolicyRule, None] = {}
    for spec in selectors:
        wanted = selector.from_spec(spec)
        for each in others:
            if wanted.matches(each.metadata.labels):
                found |= dict.fromkeys(each.rules or ())
    return list(found)
