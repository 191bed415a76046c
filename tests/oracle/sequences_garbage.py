"""What users do to owners and dependents, step by step. `sequences` adds these to its own."""

from tests.api import crds
from tests.oracle.acts import Create, Kubectl, Own, Patch, Sequence, step

ELSEWHERE = "default"


def config(name: str, *finalizers: str) -> Create:
    return Create("ConfigMap", {"metadata": {"name": name, "finalizers": list(finalizers)}})


def custom(kind: str, name: str, *finalizers: str) -> Create:
    metadata = {"name": name, "finalizers": list(finalizers)}
    return Create(kind, {"apiVersion": "example.com/v1", "kind": kind, "metadata": metadata})


def owned(name: str, *owners: str, blocking: bool = False, kind: str = "ConfigMap") -> Own:
    return Own(kind, name, tuple(("ConfigMap", owner) for owner in owners), blocking)


def delete(kind: str, name: str, cascade: str = "background") -> Kubectl:
    return Kubectl(f"delete {kind} {name} --cascade={cascade} --wait=false")


def stranger(kind: str, version: str) -> Patch:
    """An owner nobody has ever seen."""
    reference = {"apiVersion": version, "kind": kind, "name": "nobody", "uid": "11111111-2222-3333-4444-555555555555"}
    return Patch("ConfigMap", "c", {"metadata": {"ownerReferences": [reference]}})


GARBAGE = (
    Sequence(
        "gc-two-owners",
        (
            step("objects", config("a"), config("b"), config("c"), owned("c", "a", "b")),
            step("one goes", delete("configmap", "a"), still=4.0),
            step("the other too", delete("configmap", "b"), still=4.0),
        ),
    ),
    Sequence(
        "gc-foreground",
        (
            step("objects", *(config(each) for each in "abcd"), config("held", "oracle/held")),
            step(
                "owned",
                owned("b", "a", blocking=True),
                owned("c", "a"),
                owned("d", "b", blocking=True),
                owned("held", "a", blocking=True),
            ),
            step("deleted", delete("configmap", "a", "foreground"), still=4.0),
            step("let go", Patch("ConfigMap", "held", {"metadata": {"finalizers": None}}), still=4.0),
        ),
    ),
    Sequence(
        "gc-foreground-kept",
        (
            step("objects", *(config(each) for each in "abc"), owned("c", "a", "b", blocking=True)),
            step("deleted", delete("configmap", "a", "foreground"), still=4.0),
        ),
    ),
    Sequence(
        "gc-orphan",
        (
            step("objects", *(config(each) for each in "abc"), owned("b", "a"), owned("c", "a", "b", blocking=True)),
            step("orphaned", delete("configmap", "a", "orphan"), still=4.0),
            step("deleted", delete("configmap", "b"), still=4.0),
        ),
    ),
    Sequence(
        "gc-circle",
        (
            step("objects", config("a"), config("b"), owned("a", "b", blocking=True), owned("b", "a", blocking=True)),
            step("deleted", delete("configmap", "a", "foreground"), still=6.0),
        ),
    ),
    Sequence(
        "gc-chain",
        (
            step("objects", *(config(each) for each in "abcd"), owned("b", "a"), owned("c", "b"), owned("d", "c")),
            step("deleted", delete("configmap", "a"), still=4.0),
        ),
    ),
    Sequence(
        "gc-other-namespace",
        (
            step("objects", Kubectl(f"create configmap gc-other -n {ELSEWHERE}"), config("c")),
            step("owned", Own("ConfigMap", "c", (("ConfigMap", "gc-other"),), namespace=ELSEWHERE), still=6.0),
        ),
    ),
    Sequence(
        "gc-other-namespace-and-own",
        (
            step("objects", Kubectl(f"create configmap gc-two -n {ELSEWHERE}"), config("gc-two"), config("c")),
            step("owned", Own("ConfigMap", "c", (("ConfigMap", "gc-two"),), namespace=ELSEWHERE), still=6.0),
        ),
    ),
    Sequence("gc-absent-owner", (step("objects", config("c")), step("owned", stranger("ConfigMap", "v1"), still=6.0))),
    Sequence(
        "gc-unknown-kind",
        (step("objects", config("c")), step("owned", stranger("Nothing", "nothing.example.com/v1"), still=6.0)),
    ),
    Sequence(
        "gc-owner-of-the-cluster",
        (
            step("objects", custom("Master", "gc-master"), config("c")),
            step("owned", Own("ConfigMap", "c", (("Master", "gc-master"),))),
            step("deleted", delete("master", "gc-master"), still=4.0),
        ),
    ),
    Sequence(
        "gc-namespaced-owner-of-the-clusters",
        (
            step("objects", custom("Master", "gc-wrong"), config("a")),
            step("owned", Own("Master", "gc-wrong", (("ConfigMap", "a"),)), still=4.0),
            step("deleted", delete("configmap", "a"), still=4.0),
        ),
    ),
    *(
        Sequence(
            f"gc-custom-{cascade}",
            (
                step("objects", custom("Widget", "w"), custom("Widget", "v"), config("a"), config("b")),
                step(
                    "owned",
                    Own("ConfigMap", "a", (("Widget", "w"),), blocking=True),
                    Own("Widget", "v", (("Widget", "w"),)),
                    Own("ConfigMap", "b", (("Widget", "v"),)),
                ),
                step("deleted", delete("widget", "w", cascade), still=4.0),
            ),
        )
        for cascade in ("background", "foreground", "orphan")
    ),
    Sequence(
        "gc-definition-comes-and-goes",
        (
            step("definition", Create("CustomResourceDefinition", crds.definition("gadgets", "Gadget", "Namespaced"))),
            step("objects", custom("Gadget", "g"), config("a"), config("b"), still=35.0),
            step("owned", Own("ConfigMap", "a", (("Gadget", "g"),)), Own("Gadget", "g", (("ConfigMap", "b"),))),
            step("the definition goes", Kubectl("delete customresourcedefinition gadgets.example.com"), still=40.0),
        ),
    ),
)
