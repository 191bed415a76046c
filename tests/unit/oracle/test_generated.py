"""Drawn sequences are such as the API server and kubectl accept, and the same each time.

What is there is followed here once more, from the acts alone and without the models that offered them.
"""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import acts, generated
from tests.oracle.acts import APIS, Act, Create, Kubectl, Patch, PatchSome, Sequence, Step
from understudy.values import selector

ANY = st.sampled_from(generated.STARTS).flatmap(lambda starts: generated.sequences("generated-1-1", starts))
tries = settings(max_examples=20)
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


@tries
@given(ANY)
def test_steps_are_few_and_told_apart(sequence: Sequence) -> None:
    names = [step.name for step in sequence.steps]
    assert 1 < len(names) == len(set(names)) <= 12
    assert all(step.acts for step in sequence.steps)


@tries
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


@tries
@given(ANY)
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


@tries
@given(ANY)
def test_pause_and_resume_take_turns_and_nothing_is_undone_between(sequence: Sequence) -> None:
    paused = False
    for words in commands(sequence):
        if words.startswith(("rollout pause", "rollout undo", "delete deployment")):
            assert not paused
        if words.startswith("rollout resume"):
            assert paused
        paused = words.startswith("rollout pause") or (paused and not words.startswith("rollout resume"))


def test_an_undo_has_a_revision_to_go_back_to() -> None:
    @tries
    @given(generated.sequences("generated-1-1", generated.STARTS[0]))
    def check(sequence: Sequence) -> None:
        limit, images = 10, ["1"]
        for act in all_acts(sequence):
            match act:
                case Create("Deployment", body):
                    limit = body["spec"]["revisionHistoryLimit"]
                    images = [body["spec"]["template"]["spec"]["containers"][0]["image"]]
                case Patch("Deployment", _, {"spec": {"revisionHistoryLimit": int(limit)}}):
                    images = images[-limit - 1 :]
                case Kubectl(words) if words.startswith("set image"):
                    images.append(words[-1])
                case Kubectl(words) if words.startswith("rollout undo"):
                    assert limit
                    assert len(images) > 1

    check()


@tries
@given(ANY)
def test_no_budget_is_ever_without_a_pod(sequence: Sequence) -> None:
    budgeted = False
    for act in all_acts(sequence):
        match act:
            case Create("PodDisruptionBudget"):
                budgeted = True
            case Kubectl("delete poddisruptionbudget web"):
                budgeted = False
            case Kubectl(words) if budgeted:
                assert "--replicas=0" not in words
                assert "--selector=app=web" not in words
                assert "--cascade" not in words


def test_a_pod_of_a_job_is_told_to_end_once() -> None:
    @tries
    @given(generated.sequences("generated-1-1", generated.STARTS[4]))
    def check(sequence: Sequence) -> None:
        for act in all_acts(sequence):
            if isinstance(act, PatchSome):
                wanted = selector.parse(act.labels)
                told = act.body["metadata"]["labels"]
                index = "batch.kubernetes.io/job-completion-index"
                pods = [{"app": "web", index: str(each)} for each in range(5)]
                assert any(map(wanted.matches, pods))
                assert not any(wanted.matches(pod | told) for pod in pods)

    check()


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
