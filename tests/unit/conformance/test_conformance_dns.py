"""What counts as somebody else's cluster DNS."""

from typing import Any

from tests.conformance.dns import strangers


def slices(*endpoints: tuple[str, bool]) -> dict[str, Any]:
    made = [{"targetRef": {"name": name}, "conditions": {"ready": ready}} for name, ready in endpoints]
    return {"items": [{"endpoints": None}, {"endpoints": made}]}


def test_only_ours() -> None:
    assert strangers(slices(("understudy-dns-a", True), ("understudy-dns-b", False))) == []


def test_others_and_nobody() -> None:
    assert strangers(slices(("coredns-a", True), ("understudy-dns-b", True))) == ["Service kube-dns leads to coredns-a"]
    assert strangers(slices(("understudy-dns-b", False))) == ["Service kube-dns leads to no pod that is ready"]
    assert strangers({"items": []}) == ["Service kube-dns leads to no pod that is ready"]
