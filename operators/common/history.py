"""The history of pod templates in ControllerRevisions: what they hold, how they are named, numbered and forgotten.

DaemonSet and StatefulSet call this; who owns which revision is `adoption.claim`'s business. It answers to
pkg/controller/history/controller_history.go, and to `getPatch` in pkg/controller/daemon/update.go and in
pkg/controller/statefulset/stateful_set_utils.go, which make the same bytes.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Raw

from understudy.errors import AlreadyExists
from understudy.kinds.apps import CONTROLLER_REVISIONS, ControllerRevision
from understudy.kinds.core import Template
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.plan.steps import Create, Delete, Get, Step, Together
from understudy.values import gojson, names, timestamp
from understudy.values import owner as owners

REVISION_LABEL = "controller-revision-hash"
"""Which revision a pod is of: the value is the revision's hash (DaemonSet) or name (StatefulSet)."""
HASH_LABEL = "controller.kubernetes.io/hash"
"""The hash of a StatefulSet's revision, on the revision."""

_LONGEST_OWNER = 223
_OFFSET_BASIS = 0x811C9DC5
_PRIME = 0x01000193


# What a revision holds


def patch_of(template: Template) -> dict[str, Any]:
    """The `data` of the revision of a template: the strategic merge patch that brings it back."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def with_data(revisions: Iterable[ControllerRevision], data: Mapping[str, Any]) -> list[ControllerRevision]:
    """Those that hold `data`, in their order.

    Upstream compares bytes. What the server holds was written by Go or by `gojson`, and of such data equal values have
    equal bytes; where another hand wrote the same value in other bytes, no second revision and no restart is needed.
    """
    return [each for each in revisions if each.data == data]


def template_of(revision: ControllerRevision) -> Template:
    """The pod template a revision brings back; empty if it holds none."""
    data = revision.data if isinstance(revision.data, dict) else {}
    template = (data.get("spec") or {}).get("template") or {}
    return {name: value for name, value in template.items() if name != "$patch"}


# Order


def by_revision(revisions: Iterable[ControllerRevision]) -> list[ControllerRevision]:
    """Sorted by number; equal ones by age, then by name."""
    return sorted(revisions, key=_place)


def next_number(revisions: Iterable[ControllerRevision]) -> int:
    """One more than the highest number there is."""
    return max([0, *(each.number for each in revisions)]) + 1


def _place(each: ControllerRevision) -> tuple[int, float, str]:
    created = each.metadata.creationTimestamp
    return each.number, timestamp.seconds(created) if created else 0.0, each.name


# Names


def hash_of(data: bytes, collisions: int | None) -> str:
    """The hash in a revision's name, as `HashControllerRevision`: upstream makes the same of the same bytes."""
    number = _fnv1(data if collisions is None else data + str(collisions).encode())
    return names.safe_encode(str(number))


def name_of(owner: str, hash_: str) -> str:
    """The name of a revision; a long owner's name is cut so that it has at most 253 characters."""
    return f"{owner[:_LONGEST_OWNER]}-{hash_}"


def _fnv1(data: bytes) -> int:
    """32-bit FNV-1, as Go's `fnv.New32`: multiplied first, unlike FNV-1a."""
    value = _OFFSET_BASIS
    for byte in data:
        value = ((value * _PRIME) & 0xFFFFFFFF) ^ byte
    return value


# Writing


def body(
    owner: Obj,
    owner_kind: Kind[Any],
    name: str,
    data: bytes,
    number: int,
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """The body of a POST: `data` goes to the server byte for byte. The owner's annotations are copied, as upstream."""
    reference = owners.reference(owner_kind.api, owner_kind.kind, owner.name, owner.uid)
    metadata: dict[str, Any] = {"name": name, "labels": dict(labels), "ownerReferences": [reference]}
    if owner.metadata.annotations:
        metadata["annotations"] = owner.metadata.annotations
    return {
        "apiVersion": CONTROLLER_REVISIONS.api,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": metadata,
        "data": Raw(data),
        "revision": number,
    }


def create(
    owner: Obj, body: Mapping[str, Any], data: Mapping[str, Any]
) -> Generator[Step, Any, ControllerRevision | None]:
    """Create the revision; one of that name that holds the same `data` will do. None if the name is another's.

    Raises what the server answers, but for AlreadyExists.
    """
    name = body["metadata"]["name"]
    try:
        made: ControllerRevision = yield Create(
            CONTROLLER_REVISIONS, owner.namespace, body, why=f"revision {body['revision']}: a template not seen before"
        )
    except AlreadyExists:
        made = yield Get(CONTROLLER_REVISIONS, owner.namespace, name, why="the name is taken: is it this revision?")
    return made if made.data == data else None  # after a lost answer a namesake of ours may answer a create


def record(
    owner: Obj,
    owner_kind: Kind[Any],
    data: Mapping[str, Any],
    number: int,
    labels: Mapping[str, str],
    collisions: int,
) -> Generator[Step, Any, tuple[ControllerRevision, int]]:
    """Create the revision of `data` under the first name that is free, labelled with its hash.

    Answers it and the collision count its name was made with. The label keeps the first hash, as upstream's does.
    """
    raw = gojson.encode(data)
    labels = {**labels, HASH_LABEL: hash_of(raw, collisions)}
    while True:
        name = name_of(owner.name, hash_of(raw, collisions))
        made = yield from create(owner, body(owner, owner_kind, name, raw, number, labels), data)
        if made is not None:
            return made, collisions
        collisions += 1


def forget(idle: Sequence[ControllerRevision], surplus: int, why: str) -> Generator[Step, Any, None]:
    """Delete the `surplus` oldest of the revisions that nothing is made of any more."""
    doomed = by_revision(idle)[: max(0, surplus)]
    if doomed:
        yield Together([Delete(CONTROLLER_REVISIONS, each, why=why) for each in doomed])
