"""Writing owner references and finalizers: the patches every policy is made of.

Removing a reference by uid can be made wrong by no concurrent change, so it is a strategic merge patch without a
revision; custom resources know none and get the whole list, guarded. It answers to `patch.go` and `operations.go` in
`pkg/controller/garbagecollector`.
"""

from collections.abc import Collection, Generator, Sequence
from typing import Any

import msgspec

from understudy.errors import ApiError, PartlyDone
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, OwnerReference
from understudy.operators.garbage.graph import Graph, Node
from understudy.plan.steps import Patch, Step, Together

UNSUPPORTED_MEDIA_TYPE = 415


def drop_owners(graph: Graph, nodes: Sequence[Node], uids: Collection[str], why: str) -> Generator[Step, Any, None]:
    """Remove the references to `uids` from `nodes`, which are of one kind. Raises PartlyDone."""
    kind = nodes[0].kind
    if kind.id not in graph.merge_only:
        deleted = [{"$patch": "delete", "uid": uid} for uid in uids]
        body = {"metadata": {"ownerReferences": deleted}}
        try:
            yield Together([Patch(kind, node.obj, body, why, guard="uid", strategic=True) for node in nodes])
        except PartlyDone as part:
            if not isinstance(part.cause, ApiError) or part.cause.status != UNSUPPORTED_MEDIA_TYPE:
                raise
            graph.merge_only.add(kind.id)
        else:
            return
    yield Together([_kept(kind, node.obj, uids, why) for node in nodes])


def unblock(kind: Kind[Any], obj: Obj) -> Generator[Step, Any, None]:
    """Make its references block no owner's deletion. Raises Conflict."""
    references = [
        {**_written(reference), "blockOwnerDeletion": False} if reference.blockOwnerDeletion else _written(reference)
        for reference in obj.metadata.ownerReferences
    ]
    why = "it and its owners wait for one another"
    yield Patch(kind, obj, {"metadata": {"ownerReferences": references}}, why)


def drop_finalizer(kind: Kind[Any], obj: Obj, finalizer: str, why: str) -> Generator[Step, Any, None]:
    """Take `finalizer` off, which ends the object if it was the last. Raises Conflict."""
    rest = [each for each in obj.metadata.finalizers if each != finalizer]
    yield Patch(kind, obj, {"metadata": {"finalizers": rest}}, why)


def _kept(kind: Kind[Any], obj: Obj, uids: Collection[str], why: str) -> Patch:
    kept = [_written(reference) for reference in obj.metadata.ownerReferences if reference.uid not in uids]
    return Patch(kind, obj, {"metadata": {"ownerReferences": kept}}, why)


def _written(reference: OwnerReference) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(reference)
    return {name: value for name, value in fields.items() if value is not None}
