"""The validations of metadata that a control loop runs into, in the API server in memory."""

from typing import Any

import pytest

from tests.unit.testing.fake_asking import MERGE, PODS, STRATEGIC, ask, pod
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
HELD = ["example.com/hold"]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def owner(uid: str, **more: Any) -> Json:
    return {"apiVersion": "v1", "kind": "X", "name": uid, "uid": uid, **more}


def owners(*references: Json) -> Json:
    return {"metadata": {"ownerReferences": references}}


def cause(answer: Json) -> Json:
    (only,) = answer["details"]["causes"]
    assert isinstance(only, dict)
    return only


def test_a_second_controller_is_refused(api: FakeApi) -> None:
    ask(api, "POST", PODS, pod("a", ownerReferences=[owner("u", controller=True)]))
    status, answer = ask(api, "PATCH", f"{PODS}/a", owners(owner("v", controller=True)), STRATEGIC)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert cause(answer)["field"] == "metadata.ownerReferences"
    one, two = (f'{{"apiVersion":"v1","kind":"X","name":"{uid}","uid":"{uid}","controller":true}}' for uid in "vu")
    why = 'Only one reference can have Controller set to true. Found "true" in references for X/v and X/u'
    assert cause(answer)["message"] == f"Invalid value: [{one},{two}]: {why}"
    assert answer["message"] == f'Pod "a" is invalid: metadata.ownerReferences: {cause(answer)["message"]}'


def test_a_second_controller_is_refused_from_the_start(api: FakeApi) -> None:
    both = [owner("u", controller=True), owner("v", controller=True)]
    assert ask(api, "POST", PODS, pod("a", ownerReferences=both))[0] == 422
    assert api.get("pods", "a") is None


def test_owners_that_do_not_control_may_be_many(api: FakeApi) -> None:
    ask(api, "POST", PODS, pod("a", ownerReferences=[owner("u", controller=True)]))
    more = owners(owner("v"), owner("w", controller=False))
    assert ask(api, "PATCH", f"{PODS}/a", more, STRATEGIC)[0] == 200


def test_what_is_being_deleted_gets_no_new_finalizers(api: FakeApi) -> None:
    ask(api, "POST", PODS, pod("a", finalizers=HELD))
    ask(api, "DELETE", f"{PODS}/a")
    late = {"metadata": {"finalizers": ["z/z", *HELD, "b/b"]}}
    status, answer = ask(api, "PATCH", f"{PODS}/a", late, MERGE)
    assert status == 422
    assert cause(answer) == {
        "reason": "FieldValueForbidden",
        "field": "metadata.finalizers",
        "message": "Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"b/b", "z/z"}',
    }
    assert ask(api, "PATCH", f"{PODS}/a", {"metadata": {"finalizers": None}}, MERGE)[0] == 200
    assert api.get("pods", "a") is None


def test_what_is_not_being_deleted_may_get_some(api: FakeApi) -> None:
    ask(api, "POST", PODS, pod("a"))
    assert ask(api, "PATCH", f"{PODS}/a", {"metadata": {"finalizers": HELD}}, MERGE)[0] == 200
