"""The workload to be scaled, by its `scale` subresource: found, read, written; a custom resource like any other.

Called by the controller's decision. Answers to scaleForResourceMappings and to the update of the scale in
reconcileAutoscaler in pkg/controller/podautoscaler/horizontal.go.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import msgspec

from understudy.errors import ApiError, Conflict
from understudy.kinds.autoscaling import CrossVersionObjectReference, Scale
from understudy.kinds.kind import Kind
from understudy.operators.common.scales import scaled_kind
from understudy.operators.hpa.errors import NotComputable, said
from understudy.plan.steps import Decision, Get, Replace, Step
from understudy.state.view import View

ATTEMPTS = 5
"""Times a scale is written that others write too (client-go util/retry, DefaultRetry)."""


@dataclass(frozen=True, slots=True)
class Target:
    """`body` is the Scale as it came, `scale` what is read of it."""

    kind: Kind[Scale]
    body: dict[str, Any]
    scale: Scale


def find(reference: CrossVersionObjectReference, namespace: str, view: View) -> Generator[Step, Any, Target]:
    """The workload's Scale, by the server itself. Raises NotComputable."""
    api = reference.apiVersion or "v1"
    if api.count("/") > 1:
        raise NotComputable(f"unexpected GroupVersion string: {api}")
    try:
        kind = yield from scaled_kind(api, reference.kind, view)
        if kind is None:
            group = api.rpartition("/")[0]
            raise NotComputable(f'no matches for kind "{reference.kind}" in group "{group}"')
        return (yield from _read(kind, namespace, reference.name))
    except ApiError as error:
        raise NotComputable(said(error, f"{reference.kind.lower()}s {reference.name}")) from error


def _read(kind: Kind[Scale], namespace: str, name: str) -> Generator[Step, Any, Target]:
    why = f"how many pods {kind.kind} {name} has and wants"
    try:
        body: dict[str, Any] = yield Get(kind, namespace, f"{name}/scale", why=why, raw=True)
    except ApiError as error:
        raise NotComputable(said(error, f"{kind.id} {name}")) from error
    return Target(kind, body, msgspec.convert(body, Scale))


def rescale(target: Target, replicas: int, why: str) -> Decision:
    """Write the replicas; if others wrote meanwhile, over what they wrote. Raises ApiError, NotComputable."""
    for left in reversed(range(ATTEMPTS)):
        body = {**target.body, "spec": {**(target.body.get("spec") or {}), "replicas": replicas}}
        try:
            yield Replace(target.kind, body, why=why, subresource="scale")
        except Conflict:
            if not left:
                raise
            target = yield from _read(target.kind, target.scale.namespace, target.scale.name)
        else:
            return
