"""The world the API tests act in: a real API server with our loops as processes, seen through one namespace at a time.

The fixtures of conftest make one `World` a session and a `Place`, a fresh namespace of it, for each test. Everything
blocks and every wait has a deadline; what was seen last is in the message of one that ran out.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.request import urlopen

from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.process import wait_until
from understudy.cluster.rest import Api, ApiError, Object

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds until something that should take one is given up: the machine may be busy."""
IDLE = 30.0
"""Seconds after which a connection is not trusted; the API server closes one after 90."""
ROOTS = {
    "apps/v1": ("deployments", "replicasets"),
    "batch/v1": ("jobs",),
    "discovery.k8s.io/v1": ("endpointslices",),
    "coordination.k8s.io/v1": ("leases",),
    "networking.k8s.io/v1": ("ingresses",),
    "example.com/v1": ("widgets", "masters"),
}
"""The API groups of what the tests use; all else is of the core group."""


def until(look: Callable[[], T], seconds: float = PATIENCE, why: Callable[[], object] = lambda: "") -> T:
    """What `look` answers as soon as that is true; AssertionError with what `why` tells if it never is."""
    found: list[T] = []

    def done() -> bool:
        found[:] = [look()]
        return bool(found[0])

    assert wait_until(done, seconds, poll=0.05), f"not within {seconds:g} s; the last look: {found[0]!r} {why()}"
    return found[0]


def path(plural: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path of a collection, an object or its subresource."""
    group = next((each for each, plurals in ROOTS.items() if plural in plurals), "")
    parts = ["/apis", group] if group else ["/api/v1"]
    parts += ["namespaces", namespace] if namespace else []
    return "/".join(each for each in (*parts, plural, name, subresource) if each)


def workload(name: str, replicas: int = 1, *, image: str = "app:1", node: str = "", **template: Any) -> Object:
    """A Deployment. `template`: annotations of its pods, and `spec` and `strategy` entries to add."""
    extra = template.pop("spec", {})
    strategy = template.pop("strategy", None)
    more = template.pop("more", {})
    labels = {"app": name}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": image}], **extra}
    if node:
        pod["nodeName"] = node
    annotations = {f"kwok.understudy.dev/{key.replace('_', '-')}": value for key, value in template.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
            **({"strategy": {"rollingUpdate": strategy}} if strategy else {}),
            **more,
        },
    }


def is_complete(deployment: Object | None) -> bool:
    """Whether a Deployment's rollout is over, by the rules of `kubectl rollout status`."""
    if deployment is None:
        return False
    spec, status = deployment["spec"], deployment.get("status", {})
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return bool(seen and set(counts) == {spec["replicas"]})


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(argv: Sequence[str | Path], *, stdin: str = "", env: Mapping[str, str] | None = None) -> Said:
    """Run a command to its end, within the patience."""
    done = subprocess.run(
        [str(each) for each in argv],
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=2 * PATIENCE,
        env=os.environ | (env or {}),
    )
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass
class World:
    """A cluster and the commands to act on it, also on its processes."""

    cluster: EmbeddedCluster
    binaries: Mapping[str, Path]
    connection: Api
    numbers: "count[int]" = field(default_factory=count)
    used: float = 0.0

    @property
    def api(self) -> Api:
        """An administrator's connection, opened anew before the server has closed it because nobody used it."""
        now = time.monotonic()
        if now - self.used > IDLE:
            self.connection.__exit__()
        self.used = now
        return self.connection

    def connect(self) -> Api:
        """Another connection, of one's own."""
        return self.cluster.api()

    def pid(self, component: str) -> int:
        """The process id of a component that runs."""
        found = next(each for each in self.cluster.status().components if each.name == component)
        assert found.pid, f"{component} does not run"
        return found.pid

    def running(self, component: str) -> bool:
        return any(each.name == component and each.pid for each in self.cluster.status().components)

    def send(self, component: str, number: signal.Signals) -> None:
        os.kill(self.pid(component), number)

    def kill(self, component: str) -> None:
        """Kill it, as a power failure would."""
        self.send(component, signal.SIGKILL)
        until(lambda: not self.running(component))

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again; it is ready when this returns."""
        self.kill("kube-apiserver")
        self.cluster.up(die_with_parent=True)
        self.connection.__exit__()  # it is of the server before

    def repair(self) -> None:
        """Start loops that ended, as whoever runs a control plane does: on a slow machine the Lease may get lost."""
        loops.start(self.cluster, die_with_parent=True)

    def compact(self) -> None:
        """Make etcd forget all history: no watch can be resumed from before now, once the API server forgot it too."""
        pki = self.cluster.at.pki
        port = next(each.port for each in self.cluster.status().components if each.name == "etcd")
        credentials = [
            f"--cacert={pki}/etcd-ca.crt",
            f"--cert={pki}/apiserver-etcd-client.crt",
            f"--key={pki}/apiserver-etcd-client.key",
        ]
        etcdctl = [str(self.binaries["etcdctl"]), f"--endpoints=https://127.0.0.1:{port}", *credentials]
        revision = self.api.get(path("configmaps"))["metadata"]["resourceVersion"]
        said = run([*etcdctl, "compact", revision])
        assert said.code == 0, said.err

    def kubectl(self, *arguments: str, stdin: str = "") -> Said:
        return run([self.binaries["kubectl"], f"--kubeconfig={self.cluster.kubeconfig()}", *arguments], stdin=stdin)

    def metrics(self, component: str) -> str:
        """What a component tells Prometheus."""
        port = (loops.ports(self.cluster) / component).read_text()
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def place(self) -> "Place":
        """A new namespace in which pods can be created."""
        return settle(self, f"test-{next(self.numbers)}")


class Seen(Protocol):
    """What a place needs of its world, whatever cluster that is."""

    @property
    def api(self) -> Api: ...
    def connect(self) -> Api: ...
    def kubectl(self, *arguments: str, stdin: str = "") -> Said: ...


@dataclass
class Place:
    """One namespace."""

    world: Seen
    name: str

    @property
    def api(self) -> Api:
        return self.world.api

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        return path(plural, self.name, name, subresource)

    def create(self, plural: str, body: Object) -> Object:
        made = self.api.create(self.path(plural), body)
        assert made is not None, f"{plural} {body['metadata']} is there already"
        return made

    def get(self, plural: str, name: str) -> Object | None:
        """The object, or None."""
        return get(self.api, self.path(plural, name))

    def items(self, plural: str) -> list[Object]:
        found: list[Object] = self.api.get(self.path(plural))["items"]
        return found

    def names(self, plural: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.items(plural)}

    def patch(self, plural: str, name: str, body: Object, subresource: str = "") -> Object:
        return self.api.patch(self.path(plural, name, subresource), body)

    def scale(self, name: str, replicas: int) -> None:
        self.patch("deployments", name, {"spec": {"replicas": replicas}})

    def set_image(self, name: str, image: str) -> None:
        containers = [{"name": "main", "image": image}]
        self.patch("deployments", name, {"spec": {"template": {"spec": {"containers": containers}}}})

    def kubectl(self, *arguments: str, stdin: str = "") -> Said:
        return self.world.kubectl(f"--namespace={self.name}", *arguments, stdin=stdin)

    def images(self) -> Counter[str]:
        """How many pods there are of each image, leaving or not."""
        return Counter(each["spec"]["containers"][0]["image"] for each in self.items("pods"))

    def complete(self, name: str, seconds: float = PATIENCE) -> Object:
        """The Deployment once its rollout is over."""
        until(lambda: is_complete(self.get("deployments", name)), seconds, lambda: self.get("deployments", name))
        found = self.get("deployments", name)
        assert found is not None
        return found

    def gone(self, plural: str, name: str = "", seconds: float = PATIENCE) -> None:
        """Wait until the object, or everything of the kind, is not there any more."""
        look = (lambda: self.get(plural, name)) if name else (lambda: self.names(plural))
        until(lambda: not look(), seconds, look)


def settle(world: Seen, name: str) -> Place:
    """The new namespace `name`, once pods can be created in it."""
    world.api.create(path("namespaces"), {"metadata": {"name": name}})
    made = Place(world, name)
    until(lambda: made.get("serviceaccounts", "default"))
    return made


def get(api: Api, where: str) -> Object | None:
    """The object at a path, or None."""
    try:
        return api.get(where)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def steady(look: Callable[[], T], seconds: float) -> T:
    """What `look` answers, having answered the same for so long: for what must not happen."""
    first, end = look(), time.monotonic() + seconds
    while time.monotonic() < end:
        assert look() == first
        time.sleep(0.05)
    return first
