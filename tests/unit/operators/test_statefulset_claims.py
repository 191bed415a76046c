"""The claims of StatefulSets: created before their pods, owned as the policy says, never deleted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import Answer, events, make, of, owned_by
from tests.unit.operators.statefulsets import APP, DATA, World, grown, running, stateful_set, template
from understudy.errors import AlreadyExists, Conflict, Forbidden
from understudy.kinds.apps import STATEFUL_SETS, ClaimRetention
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS
from understudy.kinds.meta import Key, OwnerReference
from understudy.operators.statefulset.claims import is_gone, sets_of
from understudy.operators.statefulset.retention import Claimant, Holder, conflicts, corrected
from understudy.plan.steps import Create, Delete, Patch, Step

SET = Holder("apps/v1", "StatefulSet", "web", "set-uid")
POD = Holder("v1", "Pod", "web-0", "pod-uid")
OTHER = OwnerReference("v1", "Thing", "other", "other-uid", controller=True)
GUEST = OwnerReference("v1", "Thing", "guest", "guest-uid")


def policy(deleted: str, scaled: str) -> dict[str, Any]:
    return {"whenDeleted": deleted, "whenScaled": scaled}


def claimed(replicas: int = 1, deleted: str = "Retain", scaled: str = "Retain", **spec: Any) -> Any:
    spec = {"volumeClaimTemplates": [DATA], "persistentVolumeClaimRetentionPolicy": policy(deleted, scaled), **spec}
    return stateful_set(replicas, **spec)


def refusing(error: Exception, what: type[Create | Patch], seen: list[Step]) -> Answer:
    """Meets every step of that kind about a claim with `error`."""

    def answer(step: Step) -> None:
        seen.append(step)
        if isinstance(step, what) and step.kind is PERSISTENT_VOLUME_CLAIMS:
            raise error

    return answer


# Creating


def test_claims_come_before_their_pod_and_are_its_volumes() -> None:
    ss = claimed(
        selector={"matchLabels": APP},
        volumeClaimTemplates=[DATA, {**DATA, "metadata": {"name": "log", "labels": {"app": "x", "own": "y"}}}],
        template=template(volumes=[{"name": "log", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]),
    )
    world = World(ss)
    steps = world.decide()
    kinds = [each.kind for each in of(steps, Create)]
    assert kinds[1:] == [PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUME_CLAIMS, PODS]
    data, log, pod = (each.body for each in of(steps, Create)[1:])
    assert data["metadata"] == {"name": "data-web-0", "labels": APP}
    assert (data["kind"], data["apiVersion"], data["spec"]) == ("PersistentVolumeClaim", "v1", DATA["spec"])
    assert log["metadata"] == {"name": "log-web-0", "labels": {"app": "web", "own": "y"}}
    assert pod["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
        {"name": "log", "persistentVolumeClaim": {"claimName": "log-web-0"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    assert [each[1:] for each in events(steps)] == [
        ("SuccessfulCreate", "create Claim data-web-0 Pod web-0 in StatefulSet web success"),
        ("SuccessfulCreate", "create Claim log-web-0 Pod web-0 in StatefulSet web success"),
        ("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful"),
    ]


def test_without_its_claim_a_pod_does_not_come() -> None:
    world, seen = World(claimed()), list[Step]()
    with pytest.raises(Exception, match="no room"):
        world.decide(refusing(Forbidden(403, "Forbidden", "no room"), Create, seen))
    assert world.names == []
    assert [each[1:] for each in events(seen)] == [
        ("FailedCreate", "create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: no room"),
        ("FailedCreate", "create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: no room"),
    ]


def test_several_obstacles_are_told_together() -> None:
    world = World(claimed(volumeClaimTemplates=[DATA, {"metadata": {"name": "log"}}]))
    seen: list[Step] = []
    with pytest.raises(Exception, match="no"):
        world.decide(refusing(Forbidden(403, "Forbidden", "no"), Create, seen))
    told = "failed error: [failed to create PVC data-web-0: no, failed to create PVC log-web-0: no]"
    assert events(seen)[-1][2].endswith(told)


def test_of_a_claim_that_is_there_already_nothing_is_told() -> None:
    world, seen = World(claimed()), list[Step]()
    with pytest.raises(Exception, match="there"):
        world.decide(refusing(AlreadyExists(409, "AlreadyExists", "there"), Create, seen))
    assert [each[2] for each in events(seen)] == [
        "create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: there"
    ]


@pytest.mark.parametrize("parallel", [False, True])
def test_a_claim_that_is_being_deleted_keeps_its_pod_waiting(parallel: bool) -> None:
    ending = make(PERSISTENT_VOLUME_CLAIMS, "data-web-0", deleting=True, finalizers=["kubernetes.io/pvc-protection"])
    world = World(claimed(2, podManagementPolicy="Parallel" if parallel else "OrderedReady"), claims=[ending])
    steps = world.decide()
    assert world.names == (["web-1"] if parallel else [])
    told = "create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted"
    assert ("Warning", "FailedCreate", told) in events(steps)


def test_a_pod_that_is_pending_gets_the_claim_somebody_deleted() -> None:
    world = World(claimed())
    world.decide()
    world.become("web-0", "Pending", ready=False)
    claim = world.claims[0]
    world.view.store(PERSISTENT_VOLUME_CLAIMS).removed(claim.key, claim.uid)
    world.decide()
    assert [each.name for each in world.claims] == ["data-web-0"]


def test_a_claim_is_used_again() -> None:
    world = grown(claimed(2))
    world.want(replicas=0)
    world.settle()
    uids = [each.uid for each in world.claims]
    world.want(replicas=2)
    world.settle()
    assert [each.uid for each in world.claims] == uids
    assert len(uids) == 2


def test_a_pod_without_its_volumes_cannot_be_helped_and_that_is_told() -> None:
    ss = claimed()
    world = World(ss, pods=[running("web-0", ss)])
    seen: list[Step] = []

    def answer(step: Step) -> None:
        seen.append(step)
        if isinstance(step, Patch) and step.kind is PODS:
            assert step.body["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "data-web-0"}
            raise Forbidden(422, "Invalid", "pod updates may not change fields")

    with pytest.raises(Forbidden):
        world.decide(answer)
    told = "update Pod web-0 in StatefulSet web failed error: pod updates may not change fields"
    assert events(seen)[-1][1:] == ("FailedUpdate", told)
    assert [each.name for each in world.claims] == ["data-web-0"]


# Waking


@pytest.mark.parametrize(
    ("name", "found"),
    [("data-web-0", ["web"]), ("data-web-x", []), ("log-web-0", []), ("web-0", []), ("data-other-0", [])],
)
def test_the_end_of_a_claim_wakes_the_set_that_named_it(name: str, found: list[str]) -> None:
    claim = make(PERSISTENT_VOLUME_CLAIMS, name)
    assert list(sets_of(claim, World(claimed()).view)) == [Key("default", each) for each in found]
    assert is_gone(None, claim)
    assert not is_gone(claim, None)


def test_names_with_dashes_are_found() -> None:
    ss = make(STATEFUL_SETS, "a-b", spec={"volumeClaimTemplates": [{"metadata": {"name": "c-d"}}]})
    claim = make(PERSISTENT_VOLUME_CLAIMS, "c-d-a-b-7")
    assert list(sets_of(claim, World(ss).view)) == [ss.key]


# Retention


@pytest.mark.parametrize(
    ("deleted", "scaled", "wanted", "condemned"),
    [
        ("Retain", "Retain", [], []),
        ("Delete", "Retain", ["StatefulSet/web"], ["StatefulSet/web"]),
        ("Retain", "Delete", [], ["Pod/web-1"]),
        ("Delete", "Delete", ["StatefulSet/web"], ["Pod/web-1"]),
    ],
)
@pytest.mark.parametrize("parallel", [False, True])
def test_who_owns_a_claim(deleted: str, scaled: str, wanted: list[str], condemned: list[str], parallel: bool) -> None:
    management = "Parallel" if parallel else "OrderedReady"
    world = grown(claimed(2, deleted, scaled, podManagementPolicy=management))
    assert [world.owners(each.name) for each in world.claims] == [wanted, wanted]
    world.want(replicas=1)
    world.decide()
    assert world.pod("web-1").deleting
    assert (world.owners("data-web-0"), world.owners("data-web-1")) == (wanted, condemned)


def test_a_new_policy_holds_for_claims_there_are() -> None:
    world = grown(claimed(1))
    world.want(persistentVolumeClaimRetentionPolicy=policy("Delete", "Retain"))
    steps = world.decide()
    assert world.owners("data-web-0") == ["StatefulSet/web"]
    assert events(steps) == [("Normal", "SuccessfulUpdate", "update Pod web-0 in StatefulSet web successful")]
    world.want(persistentVolumeClaimRetentionPolicy=policy("Retain", "Retain"))
    world.settle()
    assert world.owners("data-web-0") == []


def test_a_pod_stays_while_its_claim_cannot_be_given_to_it() -> None:
    world, seen = grown(claimed(1, scaled="Delete")), list[Step]()
    world.want(replicas=0)
    with pytest.raises(Exception, match="read only"):
        world.decide(refusing(Forbidden(403, "Forbidden", "read only"), Patch, seen))
    assert not world.pod("web-0").deleting
    told = "could not update claim data-web-0 for delete policy ownerRefs: read only"
    assert events(seen) == [("Warning", "FailedUpdate", f"update Pod web-0 in StatefulSet web failed error: {told}")]


def test_a_conflict_is_daily_business() -> None:
    world, seen = grown(claimed(1, scaled="Delete")), list[Step]()
    world.want(replicas=0)
    with pytest.raises(Exception, match="modified"):
        world.decide(refusing(Conflict(409, "Conflict", "modified"), Patch, seen))
    assert events(seen) == []


@pytest.mark.parametrize("parallel", [False, True])
def test_a_claim_of_a_pod_that_is_gone_holds_up_the_next_of_its_name(parallel: bool) -> None:
    stale = make(PERSISTENT_VOLUME_CLAIMS, "data-web-0", owner=owned_by(make(PODS, "web-0", uid="old"), PODS))
    management = "Parallel" if parallel else "OrderedReady"
    world = World(claimed(2, scaled="Delete", podManagementPolicy=management), claims=[stale])
    world.decide()
    assert world.names == (["web-1"] if parallel else [])
    world.view.store(PERSISTENT_VOLUME_CLAIMS).removed(stale.key, stale.uid)
    world.settle()
    assert world.names == ["web-0", "web-1"]


def test_a_foreign_controller_is_told_and_stays() -> None:
    claim = make(PERSISTENT_VOLUME_CLAIMS, "data-web-0", owner=owned_by(make(PODS, "other"), PODS))
    world = World(claimed(1, deleted="Delete"), claims=[claim])
    steps = world.decide()
    assert world.owners("data-web-0") == ["Pod/other"]
    message = (
        "PersistentVolumeClaim data-web-0 has a conflicting OwnerReference that acts as a manging controller, "
        "the retention policy is ignored for this claim"
    )
    assert ("Warning", "ConflictingController", message) in events(steps)


def who(deleted: str = "Delete", scaled: str = "Retain", *, condemned: bool = False) -> Claimant:
    return Claimant(SET, POD, ClaimRetention(deleted, scaled), condemned)


def test_claims_of_namesakes_are_not_touched() -> None:
    old = Holder(SET.api, SET.kind, SET.name, "old").reference()
    assert corrected([old], who()) is None
    assert conflicts([old], who())


def test_a_conflict_takes_our_own_references_back() -> None:
    assert corrected([OTHER, SET.reference()], who()) == [OTHER]
    assert corrected([OTHER], who()) is None
    assert corrected([OTHER], who("Retain")) is None
    assert not conflicts([OTHER], who("Retain"))


def test_an_owner_that_does_not_control_is_made_to() -> None:
    bare = OwnerReference(SET.api, SET.kind, SET.name, SET.uid)
    assert corrected([GUEST, bare], who()) == [GUEST, SET.reference()]


REFERENCES = st.lists(st.sampled_from([OTHER, GUEST, SET.reference(), POD.reference()]), unique=True)
POLICIES = st.sampled_from(["Retain", "Delete"])


@given(REFERENCES, POLICIES, POLICIES, st.booleans())
def test_what_was_corrected_is_right_and_guests_stay(
    references: list[OwnerReference], deleted: str, scaled: str, condemned: bool
) -> None:
    claimant = who(deleted, scaled, condemned=condemned)
    after = corrected(references, claimant)
    assert corrected(references if after is None else after, claimant) is None
    others = [each for each in references if each in (OTHER, GUEST)]
    assert after is None or [each for each in after if each in (OTHER, GUEST)] == others


@given(st.lists(st.integers(0, 4), max_size=8), POLICIES, POLICIES, st.booleans())
def test_claims_are_never_deleted_by_the_set(sizes: list[int], deleted: str, scaled: str, parallel: bool) -> None:
    management = "Parallel" if parallel else "OrderedReady"
    world = World(claimed(2, deleted, scaled, podManagementPolicy=management))
    most = 0
    for size in sizes:
        world.want(replicas=size)
        for _ in range(3):
            steps = world.decide()
            assert all(each.kind is PODS for each in of(steps, Delete))
            world.kubelet()
        assert len(world.claims) >= most
        most = len(world.claims)
