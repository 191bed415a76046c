"""The ledger that tells whether two leaders ever wrote at once: what it sees in an audit log, what it would miss."""

import json
from typing import Any

import pytest

from tests.cluster.ledger import Write, controllers, overlaps, read, reigns

OURS = "understudy:"
ACCOUNT = "system:serviceaccount:understudy-system:understudy-controllers"
THEIRS = "system:serviceaccount:kube-system:replicaset-controller"


def event(second: int, user: str, resource: str = "pods", code: int = 201, **more: Any) -> str:
    body = {
        "stage": "ResponseComplete",
        "stageTimestamp": f"2026-01-01T00:00:{second:02}.000000Z",
        "verb": "create",
        "user": {"username": user},
        "objectRef": {"resource": resource, "namespace": "test", "name": "web-1"},
        "responseStatus": {"code": code},
        **more,
    }
    return json.dumps(body)


def lease(second: int, holder: str, user: str = ACCOUNT) -> str:
    target = {"resource": "leases", "namespace": "kube-system", "name": "kube-controller-manager"}
    return event(second, user, verb="update", objectRef=target, requestObject={"spec": {"holderIdentity": holder}})


def judged(*lines: str) -> list[str]:
    writes = read(lines)
    turns = reigns(writes, "kube-controller-manager")
    return [f"{write.side} {write.when[17:19]}" for write in overlaps(controllers(writes, "test"), turns, OURS)]


def test_only_what_succeeded_counts_in_the_order_of_its_answer() -> None:
    found = read(
        [event(5, ACCOUNT), event(3, THEIRS), event(4, THEIRS, code=409), "not JSON", event(2, "me", stage="X")]
    )
    assert [(write.when[17:19], write.side) for write in found] == [("03", "upstream"), ("05", "ours")]


@pytest.mark.parametrize(
    ("user", "side"),
    [
        (ACCOUNT, "ours"),
        (THEIRS, "upstream"),
        ("system:kube-controller-manager", "upstream"),
        ("system:kube-scheduler", "upstream"),
        ("system:node:one", ""),
        ("kubernetes-admin", ""),
    ],
)
def test_whose_write_it_was(user: str, side: str) -> None:
    assert read([event(1, user)])[0].side == side


def test_reigns_are_told_once_however_often_a_lease_is_renewed() -> None:
    writes = read([lease(1, "kcm_1"), lease(2, "kcm_1"), lease(3, f"{OURS}a_1"), lease(4, f"{OURS}a_1"), lease(5, "")])
    assert [holder for _, holder in reigns(writes, "kube-controller-manager")] == ["kcm_1", f"{OURS}a_1", ""]
    assert reigns(writes, "kube-scheduler") == []


def test_an_annotation_on_a_lease_changes_no_holder() -> None:
    target = {"resource": "leases", "namespace": "kube-system", "name": "kube-controller-manager"}
    asked = event(
        2, "operator", verb="patch", objectRef=target, requestObject={"metadata": {"annotations": {"a": "b"}}}
    )
    writes = read([lease(1, f"{OURS}a_1"), asked])
    assert [holder for _, holder in reigns(writes, "kube-controller-manager")] == [f"{OURS}a_1"]


def test_a_proper_handover_is_no_overlap() -> None:
    there = [lease(1, "kcm_1"), event(2, THEIRS), lease(3, f"{OURS}a_1")]
    back = [event(20, ACCOUNT), lease(30, "", ACCOUNT), lease(32, "kcm_2"), event(33, THEIRS)]
    assert judged(*there, event(4, THEIRS), *back) == [], "a robbed upstream may finish before ours begin"


def test_upstream_after_our_first_write_is_an_overlap() -> None:
    assert judged(lease(1, "kcm_1"), lease(3, f"{OURS}a_1"), event(20, ACCOUNT), event(21, THEIRS)) == ["upstream 21"]


def test_ours_without_the_lease_is_an_overlap() -> None:
    assert judged(lease(1, "kcm_1"), event(2, ACCOUNT), event(3, THEIRS)) == ["ours 02"]
    assert judged(lease(1, f"{OURS}a_1"), event(2, ACCOUNT), lease(3, ""), event(4, ACCOUNT)) == ["ours 04"]


def test_schedulers_users_and_other_places_are_no_controllers() -> None:
    others = [event(1, "kubernetes-admin"), event(2, "system:kube-scheduler"), event(3, THEIRS, resource="secrets")]
    assert controllers(read(others), "test") == []
    assert controllers(read([event(1, THEIRS)]), "elsewhere") == []
    assert [write.resource for write in controllers(read([event(1, THEIRS)]), "test")] == ["pods"]


def test_a_subresource_is_told_with_its_resource() -> None:
    target = {"resource": "pods", "subresource": "status", "namespace": "test", "name": "web-1"}
    assert isinstance(read([event(1, THEIRS, objectRef=target)])[0], Write)
    assert read([event(1, THEIRS, objectRef=target)])[0].resource == "pods/status"
