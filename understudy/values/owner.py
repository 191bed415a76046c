"""Owner references, as they are written into what a loop creates or adopts.

Every loop that owns objects calls this. It answers to `apimachinery/pkg/apis/meta/v1/controller_ref.go`.
"""


def reference(
    api_version: str, kind: str, name: str, uid: str, *, controller: bool = True, block: bool = True
) -> dict[str, str | bool]:
    """An OwnerReference, as `NewControllerRef`; a flag that is not set is left out."""
    flags = {"controller": controller, "blockOwnerDeletion": block}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        **{flag: True for flag, is_set in flags.items() if is_set},
    }
