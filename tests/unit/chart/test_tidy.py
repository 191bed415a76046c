"""What is left on Leases goes when the chart is gone; what is not ours stays."""

from typing import Any

import pytest

from understudy.api.client import Client
from understudy.testing.fake import FakeApi
from understudy.tidy import tidy

pytestmark = pytest.mark.looptime


def lease(api: FakeApi, name: str, namespace: str = "kube-system", **metadata: Any) -> None:
    described = {"name": name, "namespace": namespace, **metadata}
    api.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": described, "spec": {}})


async def test_the_roster_and_our_annotations_go() -> None:
    api = FakeApi()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
    theirs = {"understudy.dev/leader": "upstream", "understudy.dev/controllers": "*", "example.com/note": "kept"}
    lease(api, "kube-scheduler", annotations=theirs)
    lease(api, "understudy-kube-scheduler-a-1", labels={"understudy.dev/candidate-for": "kube-scheduler"})
    lease(api, "somebody-elses")
    assert await tidy(Client(api.transport())) == ["understudy-kube-scheduler-a-1"]
    left = {each["metadata"]["name"]: each["metadata"].get("annotations") for each in api.objects("leases")}
    assert left == {"kube-scheduler": {"example.com/note": "kept"}, "somebody-elses": None}


async def test_again_is_fine() -> None:
    api = FakeApi()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
    assert await tidy(Client(api.transport())) == []
