"""volumeattributesclass-protection-controller: a class that a volume or a claim names is not deleted under it.

Answers to pkg/controller/volume/vacprotection/vac_protection_controller.go (KEP-3751).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.meta import Key, Obj
from understudy.kinds.storage import PERSISTENT_VOLUMES, VOLUME_ATTRIBUTES_CLASSES, PersistentVolume
from understudy.loop.controller import On, controller, may
from understudy.operators.common import protection
from understudy.operators.common.claims import attributes_classes
from understudy.plan.steps import Decision
from understudy.state.store import Index
from understudy.state.view import View

FINALIZER = "kubernetes.io/vac-protection"


def _class_of(volume: PersistentVolume) -> set[str]:
    return {volume.spec.volumeAttributesClassName or ""} - {""}


VOLUMES_BY_CLASS: Index[PersistentVolume] = Index("attributes class", _class_of)
CLAIMS_BY_CLASS: Index[PersistentVolumeClaim] = Index("attributes class", attributes_classes)


def _let_go(names: Callable[[Any], set[str]]) -> Callable[[Any, Any], bool]:
    """Whether a change names a class no longer."""

    def when(new: Any, old: Any) -> bool:
        return old is not None and bool(names(old) - (names(new) if new is not None else set()))

    return when


def _keys(names: Callable[[Any], set[str]]) -> Callable[[Any, View], Iterable[Key]]:
    return lambda obj, _: [Key("", name) for name in names(obj)]


def _concerned(new: Obj | None, _: Obj | None) -> bool:
    return protection.concerns(new, FINALIZER)


@controller(
    "volumeattributesclass-protection-controller",
    of=VOLUME_ATTRIBUTES_CLASSES,
    watches=(
        On(PERSISTENT_VOLUME_CLAIMS, _keys(attributes_classes), _let_go(attributes_classes)),
        On(PERSISTENT_VOLUMES, _keys(_class_of), _let_go(_class_of)),
    ),
    rights=(may("patch", VOLUME_ATTRIBUTES_CLASSES),),
    source="volumeattributesclass-protection-controller",
    upstream="pkg/controller/volume/vacprotection",
    workers=1,
    when=_concerned,
)
def decide(attributes: Obj, view: View, _: datetime) -> Decision:
    """A class is kept while a volume or a claim names it."""
    if protection.is_unprotected(attributes, FINALIZER):
        yield protection.protect(VOLUME_ATTRIBUTES_CLASSES, attributes, FINALIZER)
    elif protection.is_candidate(attributes, FINALIZER) and not _is_used(attributes.name, view):
        yield protection.release(VOLUME_ATTRIBUTES_CLASSES, attributes, FINALIZER)


def _is_used(name: str, view: View) -> bool:
    volumes = view.by(PERSISTENT_VOLUMES, VOLUMES_BY_CLASS, name)
    return bool(volumes or view.by(PERSISTENT_VOLUME_CLAIMS, CLAIMS_BY_CLASS, name))
