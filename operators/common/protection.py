"""A finalizer that keeps an object while it is in use: there while it lives, gone when its last user is.

The protection controllers of claims, volumes and attributes classes call this. It answers to
pkg/controller/volume/protectionutil/utils.go.
"""

from typing import Any

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.plan.steps import Patch


def is_candidate(obj: Obj, finalizer: str) -> bool:
    """Whether it is being deleted and held by this finalizer."""
    return obj.deleting and finalizer in obj.metadata.finalizers


def is_unprotected(obj: Obj, finalizer: str) -> bool:
    """Whether it lives and could be deleted while in use."""
    return not obj.deleting and finalizer not in obj.metadata.finalizers


def concerns(obj: Obj | None, finalizer: str) -> bool:
    """Whether there is anything to do for it, now or when its users go."""
    return obj is not None and (is_candidate(obj, finalizer) or is_unprotected(obj, finalizer))


def protect(kind: Kind[Any], obj: Obj, finalizer: str) -> Patch:
    """Add the finalizer."""
    body = {"metadata": {"finalizers": [finalizer]}}
    return Patch(kind, obj, body, why="it must not go while it is in use", strategic=True)


def release(kind: Kind[Any], obj: Obj, finalizer: str) -> Patch:
    """Take the finalizer off."""
    body = {"metadata": {"$deleteFromPrimitiveList/finalizers": [finalizer]}}
    return Patch(kind, obj, body, why="it is being deleted and nobody uses it", strategic=True)
