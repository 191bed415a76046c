"""What nodes have, read from containerd's listing, and what they lack."""

from tests.conformance.nodes import control_planes, digests, lacking
from tests.unit.conformance.samples import lines
from understudy.cluster.images.archive import Made
from understudy.cluster.images.recipe import Image

ETCD = "registry.k8s.io/etcd:3.6.4-0"


def listing() -> str:
    return "\n".join(lines("ctr-images.txt"))


def test_names_and_digests() -> None:
    held = digests(listing())
    assert held[ETCD] == "sha256:afd6258e9e6493d5512d25358b0753f911040399c6c6daf827023c5de0362797"
    assert all(digest.startswith("sha256:") for digest in held.values())
    assert digests("") == {}


def test_an_image_is_lacking_if_one_of_its_names_is_or_is_another() -> None:
    made = Made(Image("x", ("r/x:1", "r/x:2")), ())
    assert lacking([made], {"r/x:1": made.digest, "r/x:2": made.digest}) == []
    assert lacking([made], {"r/x:1": made.digest}) == [made]
    assert lacking([made], {"r/x:1": made.digest, "r/x:2": "sha256:0"}) == [made]


def test_control_planes_are_known_by_their_names() -> None:
    nodes = ["a-control-plane", "a-control-plane2", "a-worker", "control-plane-worker"]
    assert control_planes(nodes) == ["a-control-plane", "a-control-plane2"]
