"""The show's course: when an act has come to its end, and that nothing in it goes wrong in silence."""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
import pytest
import yaml

from understudy.demo import story
from understudy.demo.audience import Audience
from understudy.demo.story import ACTS, MANIFEST, Act, Stage, StageFright, complete, finished
from understudy.kinds.apps import Deployment, DeploymentSpec, DeploymentStatus
from understudy.kinds.core import Pod
from understudy.kinds.meta import ObjectMeta

ROLLOUT = Act("an update", ("set", "image"))
CLEAR = Act("the end", ("delete", "-f"))


def deployment(**status: int) -> Deployment:
    counts = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3} | status
    meta = ObjectMeta("web", "default", "u", generation=2)
    return Deployment(meta, DeploymentSpec(replicas=3), msgspec.convert(counts, DeploymentStatus))


@dataclass
class Seats:
    """Who watches, with what they see."""

    web: Deployment | None = None
    pods: list[Pod] = field(default_factory=list)

    def deployment(self, name: str) -> Deployment | None:
        assert name == "web"
        return self.web


def done(act: Act, before: int, web: Deployment | None, pods: int) -> bool:
    seats = Seats(web, [Pod(ObjectMeta())] * pods)
    return finished(act, cast("Audience", seats), before)


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (deployment(), True),
        (deployment(observedGeneration=1), False),
        (deployment(updatedReplicas=2), False),
        (deployment(replicas=4), False),
        (deployment(availableReplicas=2), False),
    ],
)
def test_complete_as_kubectl_rollout_status_says(one: Deployment, wanted: bool) -> None:
    assert complete(one) is wanted


class TestFinished:
    def test_a_rollout_needs_a_newer_generation_and_no_pod_too_many(self) -> None:
        assert done(ROLLOUT, 1, deployment(), pods=3)
        assert not done(ROLLOUT, 2, deployment(), pods=3)
        assert not done(ROLLOUT, 1, deployment(), pods=4)
        assert not done(ROLLOUT, 1, deployment(availableReplicas=1), pods=3)
        assert not done(ROLLOUT, 0, None, pods=0)

    def test_a_deletion_needs_everything_to_be_gone(self) -> None:
        assert done(CLEAR, 2, None, pods=0)
        assert not done(CLEAR, 2, None, pods=1)
        assert not done(CLEAR, 2, deployment(), pods=0)


class TestStage:
    @staticmethod
    def stage(tmp_path: Path, script: str) -> Stage:
        kubectl = tmp_path / "kubectl"
        kubectl.write_text(f"#!/bin/sh\n{script}\n")
        kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
        return Stage(tmp_path / "config", kubectl, tmp_path)

    async def test_a_fresh_cluster_sees_the_acts(self, tmp_path: Path) -> None:
        assert await story._acts(self.stage(tmp_path, "true")) == ACTS

    async def test_a_used_stage_is_cleared_first(self, tmp_path: Path) -> None:
        first, *rest = await story._acts(self.stage(tmp_path, "echo deployment.apps/web"))
        assert (first.arguments, tuple(rest)) == (("delete", "-f", str(MANIFEST)), ACTS)

    async def test_kubectl_is_told_where_and_answers(self, tmp_path: Path) -> None:
        said = await story._kubectl(self.stage(tmp_path, 'echo "$@"'), ("get", "pods"))
        assert said.split() == ["--kubeconfig", str(tmp_path / "config"), "--namespace", "default", "get", "pods"]

    async def test_what_it_cannot_do_ends_the_show(self, tmp_path: Path) -> None:
        with pytest.raises(StageFright, match="kubectl get pods failed: no such thing"):
            await story._kubectl(self.stage(tmp_path, "echo no such thing >&2; exit 1"), ("get", "pods"))


def test_the_manifest_is_what_the_acts_speak_of() -> None:
    objects = {obj["kind"]: obj for obj in yaml.safe_load_all(MANIFEST.read_text())}
    assert objects["Deployment"]["metadata"]["name"] == story.NAME
    assert objects["Deployment"]["spec"]["replicas"] == 10
    assert "ten replicas" in ACTS[0].title
    assert [story._short(word) for word in ACTS[0].arguments][-1] == "examples/manifests/web.yaml"
