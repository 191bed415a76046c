"""The Events a StatefulSet's decisions tell, word for word as upstream's.

Called wherever a pod or a claim is written. Answers to `recordPodEvent` and `recordClaimEvent` in
pkg/controller/statefulset/stateful_pod_control.go.
"""

from understudy.kinds.apps import STATEFUL_SETS, StatefulSet
from understudy.plan.steps import Event


def about_pod(ss: StatefulSet, verb: str, pod: str, error: object = None) -> Event:
    """That the `verb` (create, update, delete) of a pod succeeded, or which error it met."""
    what = f"{verb} Pod {pod} in StatefulSet {ss.name}"
    return _event(ss, verb, f"{what} successful", f"{what} failed error: {error}", error)


def about_claim(ss: StatefulSet, claim: str, pod: str, error: object = None) -> Event:
    """That the claim of a pod was created, or which error that met; the two are not worded alike."""
    success = f"create Claim {claim} Pod {pod} in StatefulSet {ss.name} success"
    failure = f"create Claim {claim} for Pod {pod} in StatefulSet {ss.name} failed error: {error}"
    return _event(ss, "create", success, failure, error)


def about_conflict(ss: StatefulSet, claim: str) -> Event:
    """That a claim cannot be retained or deleted as the policy says."""
    message = (
        f"PersistentVolumeClaim {claim} has a conflicting OwnerReference that acts as a manging controller, "
        "the retention policy is ignored for this claim"
    )
    return Event(STATEFUL_SETS, ss, "ConflictingController", message, "Warning")


def _event(ss: StatefulSet, verb: str, success: str, failure: str, error: object) -> Event:
    if error is None:
        return Event(STATEFUL_SETS, ss, f"Successful{verb.title()}", success)
    return Event(STATEFUL_SETS, ss, f"Failed{verb.title()}", failure, "Warning")
