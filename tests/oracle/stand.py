"""One side of the comparison: a cluster with its controllers, acted on and looked at. Everything blocks.

Called by `__main__`, which starts two, one with our controllers and one with kube-controller-manager. The scheduler is
ours on both, so that only the controllers differ.
"""

import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from tests.api.crds import install
from tests.bench.contenders import KCM, kcm_argv, shared
from tests.oracle.acts import APIS, CLUSTERED, Act, Body, Create, Kubectl, Own, Patch, PatchSome, path
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.process import wait_until
from understudy.cluster.rest import Api, ApiError, Object

NODES = 2
PATIENCE = 90.0
_POLL = 0.7
_LOOKED_AT = tuple(kind for kind in APIS if kind not in (*CLUSTERED, "Service", "Gadget"))
_LABELLED = tuple(kind for kind in CLUSTERED if kind not in ("Node", "Namespace"))
"""Of the cluster, and a sequence's own by a label."""
LABEL = "oracle"


class ActFailed(Exception):
    """The sequence itself is wrong: a command was refused."""


@contextmanager
def cluster(name: str, binaries: Mapping[str, Path], controllers: str) -> Iterator[EmbeddedCluster]:
    """A cluster with `controllers`, "ours" or "upstream", for as long as the block runs."""
    made = EmbeddedCluster(name, binaries=binaries)
    try:
        made.up(nodes=NODES, die_with_parent=True)
        with made.api() as api:
            install(api)
        own = ["scheduler"] if controllers == "upstream" else ["scheduler", "controllers"]
        loops.start(made, own, die_with_parent=True, more={each: ["--no-leader-elect"] for each in own})
        if controllers == "upstream":
            config = made.kubeconfig_of("controller-manager")
            argv = kcm_argv(binaries[KCM], made.at, config, shared())
            made.start_component(KCM, argv, die_with_parent=True)
        yield made
    finally:
        made.down()


class Stand:
    """One sequence's namespace on one cluster, with a connection of its own."""

    def __init__(self, cluster: EmbeddedCluster, kubectl: Path, namespace: str, nodes: tuple[str, ...]) -> None:
        self._cluster, self._kubectl, self._nodes = cluster, kubectl, nodes
        self.namespace = namespace
        self._met: set[tuple[str, str]] = set()
        """Kind and name of what the sequence has made in the cluster: told about even when it is gone."""

    @cached_property
    def _api(self) -> Api:
        return self._cluster.api()

    def prepare(self) -> None:
        """Make the namespace; return when pods can be created in it."""
        self._api.create(path("Namespace", ""), {"metadata": {"name": self.namespace}})
        if not wait_until(lambda: self._is_there("ServiceAccount", "default"), PATIENCE):
            raise ActFailed(f"{self.namespace} got no service account: do the controllers run?")

    def clear(self) -> None:
        """Delete the namespace and what is the sequence's own in the cluster, without waiting."""
        self._api.delete(path("Namespace", "", self.namespace))
        for name in self._nodes:
            self._api.delete(path("Node", "", name))
        for kind in _LABELLED:
            for each in self._own_of(kind):
                self._api.delete(path(kind, "", each["metadata"]["name"]))

    def act(self, act: Act) -> None:
        """Do it. Raises ActFailed or ApiError."""
        match act:
            case Create(kind, body):
                self._api.create(path(kind, self.namespace), self._labelled(body) if kind in _LABELLED else body)
            case Patch(kind, name, body, subresource):
                self._api.patch(path(kind, self.namespace, name, subresource), body)
            case PatchSome(kind, labels, body, count):
                found = self._api.get(path(kind, self.namespace) + f"?labelSelector={labels}")["items"]
                for each in found[:count]:
                    self._api.patch(path(kind, self.namespace, each["metadata"]["name"]), body)
            case Own():
                self._own(act)
            case Kubectl(words):
                self._run(words)

    def _own(self, act: Own) -> None:
        references = []
        for kind, name in act.owners:
            uid = self._api.get(path(kind, act.namespace or self.namespace, name))["metadata"]["uid"]
            version = APIS[kind][0].removeprefix("/apis/").removeprefix("/api/")
            reference = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
            references.append({**reference, **({"blockOwnerDeletion": True} if act.blocking else {})})
        body = {"metadata": {"ownerReferences": references}}
        self._api.patch(path(act.kind, self.namespace, act.name), body)

    def _labelled(self, body: Body) -> Body:
        metadata = body["metadata"]
        return {**body, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), LABEL: self.namespace}}}

    def _run(self, words: str) -> None:
        config = f"--kubeconfig={self._cluster.kubeconfig()}"
        argv = [str(self._kubectl), config, f"--namespace={self.namespace}", *shlex.split(words)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise ActFailed(f"kubectl {words}: {done.stderr.strip()}")

    def at_rest(self, still: float) -> dict[str, list[Object]]:
        """What is there after nothing was written for `still` seconds, or after a minute."""
        end = time.monotonic() + PATIENCE
        seen, since = self.look(), time.monotonic()
        while time.monotonic() < min(end, since + still):
            time.sleep(_POLL)
            now = self.look()
            if _revisions(now) != _revisions(seen):
                seen, since = now, time.monotonic()
        return seen

    def look(self) -> dict[str, list[Object]]:
        """All that is compared, by kind."""
        seen = {kind: self._api.get(path(kind, self.namespace))["items"] for kind in _LOOKED_AT}
        for kind in _LABELLED:
            seen[kind] = self._own_of(kind)
        seen["Namespace"] = self._some("Namespace", (self.namespace,))
        seen["Node"] = self._some("Node", self._nodes)
        self._met |= {(kind, each["metadata"]["name"]) for kind in _LABELLED for each in seen[kind]}
        for kind, name in (*(("Node", each) for each in self._nodes), *sorted(self._met)):
            about = f"?fieldSelector=involvedObject.kind={kind},involvedObject.name={name}"
            seen["Event"] += self._api.get(path("Event", "default") + about)["items"]
        return seen

    def _own_of(self, kind: str) -> list[Object]:
        found: list[Object] = self._api.get(path(kind, "") + f"?labelSelector={LABEL}={self.namespace}")["items"]
        return found

    def _some(self, kind: str, names: tuple[str, ...]) -> list[Object]:
        return [self._api.get(path(kind, "", name)) for name in names if self._is_there(kind, name)]

    def _is_there(self, kind: str, name: str) -> bool:
        try:
            self._api.get(path(kind, self.namespace, name))
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            raise
        return True


def _revisions(seen: Mapping[str, list[Object]]) -> set[tuple[str, str]]:
    """What tells a write. A node's own heartbeat is none."""
    quiet = [each for kind, objects in seen.items() if kind != "Node" for each in objects]
    nodes = [(each["metadata"]["uid"], str(each["spec"])) for each in seen["Node"]]
    return {*nodes, *((each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in quiet)}
