"""Drawn sequences are such as the API server and kubectl accept, and the same each time.

What is there is followed here once more, from the acts alone and without the models that offered them.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import acts, generated
from tests.oracle.acts import APIS, Act, Create, Kubectl, Patch, PatchSome, Sequence, Step
from tests.oracle.generated_moves import Model
from tests.oracle.generated_workloads import Workload
from tests.oracle.sequences_job import INDEX
from understudy.values import selector

DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS, JOBS, _ = generated.STARTS


def of(*starts: tuple[Model, ...]) -> st.SearchStrategy[Sequence]:
    return st.sampled_from(starts).flatmap(lambda chosen: generated.sequences("generated-1-1", chosen))


ANY = of(*generated.STARTS)
BUDGETED = tuple(
    replace(each, budget=True)
    for each in (*DEPLOYMENTS, *REPLICA_SETS, *STATEFUL_SETS)
    if isinstance(each, Workload) and each.replicas > 1
)
few, many = settings(max_examples=25), settings(max_examples=90)
KINDS = {kind.lower(): kind for kind in APIS}


def all_acts(sequence: Sequence) -> Iterator[Act]:
    for step in sequence.steps:
        yield from step.acts


def commands(sequence: Sequence) -> list[str]:
    return [act.words for act in all_acts(sequence) if isinstance(act, Kubectl)]


def target(words: str) -> tuple[str, str]:
    """Kind and name in a kubectl command; no name if it picks by label."""
    found = re.search(r"\b([a-z]+)[ /](web|work)(-\d+)?\b", words)
    return (KINDS[found[1]], found[2] + (found[3] or "")) if found else ("Pod", "")


@few
@given(ANY)
def test_steps_are_few_and_told_apart(sequence: Sequence) -> None:
    names = [step.name for step in sequence.steps]
    assert 1 < len(names) == len(set(names)) <= 12
    assert all(step.acts for step in sequence.steps)


@few
@given(ANY)
def test_kinds_and_label_selectors_are_known_words(sequence: Sequence) -> None:
    for act in all_acts(sequence):
        match act:
            case Kubectl(words):
                assert target(words)[0] in APIS
                for labels in re.findall(r"--selector=(\S+)", words):
                    selector.parse(labels)
            case PatchSome(kind, labels):
                assert kind == "Pod"
                selector.parse(labels)
            case Create(kind) | Patch(kind):
                assert kind in APIS


@many
@given(of(DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS))
def test_nothing_is_asked_of_what_is_not_there(sequence: Sequence) -> None:
    there: set[tuple[str, str]] = set()
    for act in all_acts(sequence):
        match act:
            case Create(kind, body):
                one = (kind, body["metadata"]["name"])
                assert one not in there
                there.add(one)
            case Patch(kind, name):
                assert (kind, name) in there
            case Kubectl(words) if target(words)[0] != "Pod":
                assert target(words) in there
                if words.startswith("delete"):
                    there.remove(target(words))


@many
@given(of(DEPLOYMENTS))
def test_pause_and_resume_take_turns_and_nothing_is_undone_between(sequence: Sequence) -> None:
    paused = False
    for words in commands(sequence):
        if words.startswith(("rollout pause", "rollout undo", "delete deployment")):
            assert not paused
        if words.startswith("rollout resume"):
            assert paused
        paused = words.startswith("rollout pause") or (paused and not words.startswith("rollout resume"))


@many
@given(of(DEPLOYMENTS))
def test_an_undo_has_a_revision_to_go_back_to(sequence: Sequence) -> None:
    limit, images = 10, ["1"]
    for act in all_acts(sequence):
        match act:
            case Create("Deployment", body):
                limit = body["spec"]["revisionHistoryLimit"]
                images = images if "--cascade=orphan" in str(commands(sequence)) else ["1"]
            case Patch("Deployment", _, {"spec": {"revisionHistoryLimit": int(limit)}}):
                images = images[-limit - 1 :]
            case Kubectl(words) if words.startswith("set image"):
                images.append(words[-1])
            case Kubectl(words) if words.startswith("rollout undo"):
                assert limit
                assert len(images) > 1


@many
@given(of(BUDGETED))
def test_no_budget_is_ever_without_a_pod_or_made_twice(sequence: Sequence) -> None:
    budgeted = True
    for act in all_acts(sequence):
        match act:
            case Create("PodDisruptionBudget"):
                assert not budgeted
                budgeted = True
            case Kubectl("delete poddisruptionbudget web"):
                budgeted = False
            case Kubectl(words) if budgeted:
                assert not re.search("--replicas=0|--selector=app=web|--cascade", words)


@many
@given(of(DEPLOYMENTS, REPLICA_SETS, DAEMON_SETS))
def test_a_service_never_gets_two_pods_at_once(sequence: Sequence) -> None:
    served, replicas = False, 0
    for act in all_acts(sequence):
        match act:
            case Create("Service"):
                served = True
            case Create("Deployment" | "ReplicaSet" | "DaemonSet", body):
                replicas = body["spec"].get("replicas", 2)
                assert not (served and replicas > 1)
            case PatchSome(count=count) if served:
                assert count == 1
            case Kubectl("delete service web"):
                served = False
            case Kubectl(words) if scaled := re.search(r"--replicas=(\d)", words):
                assert not (served and int(scaled[1]) > replicas + 1)
                replicas = int(scaled[1])
            case Kubectl(words) if served:
                assert not words.startswith("delete pods --selector=app=web")


@few
@given(of(JOBS))
def test_a_pod_of_a_job_is_told_to_end_once(sequence: Sequence) -> None:
    pods = [{"app": "web", INDEX: str(each)} for each in range(5)]
    for act in all_acts(sequence):
        if isinstance(act, PatchSome):
            wanted, told = selector.parse(act.labels), act.body["metadata"]["labels"]
            assert any(map(wanted.matches, pods))
            assert not any(wanted.matches(pod | told) for pod in pods)


def test_a_name_always_draws_the_same() -> None:
    names = [generated.name_of(7, number) for number in range(1, 7)]
    first = [generated.named(name) for name in names]
    assert [each.name for each in first] == names
    assert first == [generated.named(name) for name in names]
    assert first != [generated.named(generated.name_of(8, number)) for number in range(1, 7)]


def test_as_many_sequences_as_there_are_kinds_begin_with_each() -> None:
    begun = [generated.named(generated.name_of(3, number)).steps[0].acts[0] for number in range(6)]
    kinds = [act.kind for act in begun if isinstance(act, Create)]
    assert kinds == ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [("generated-7-3", True), ("generated-7", False), ("generated-7-3-1", False), ("deployment-scale", False)],
)
def test_drawn_names(name: str, drawn: bool) -> None:
    assert generated.is_drawn(name) is drawn


def test_a_written_one_is_the_drawn_one() -> None:
    sequence = generated.named("generated-7-1")
    words = {each.__name__: each for each in (Create, Patch, PatchSome, Kubectl, Step, Sequence)}
    assert eval(generated.written(sequence), {**vars(acts), **words}) == sequence
