"""The cluster in a test's hand: apply, look, wait, run kubectl; and say what is going on there when a test fails.

Tests get one from the fixture `understudy_cluster` (`understudy.testing.plugin`). Everything blocks; in an asynchronous
test call it by `asyncio.to_thread`.
"""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import yaml

from understudy.cluster.errors import ClusterError
from understudy.cluster.layout import Layout
from understudy.cluster.rest import Object
from understudy.testing import decisions, report
from understudy.testing.access import Access
from understudy.testing.client import Client, NotFound
from understudy.testing.manifests import Manifest, objects
from understudy.testing.waiting import WaitTimeout, met, until

T = TypeVar("T")

DEFAULT = "default"
STATUS_LINES = 40
"""Of each object in a message about what did not come true."""

Seen = dict[tuple[str, str, str], Object | None]


class KubectlError(ClusterError):
    """kubectl ended with an error; the text holds the command and what it said."""


class Cluster:
    """A running embedded cluster. `close` hangs up and leaves it running."""

    def __init__(self, access: Access, client: Client | None = None) -> None:
        self.name = access.name
        self.at = Layout(access.root, access.name)
        self._access = access
        self._client = client or Client(access.port, self.at.pki)
        self._seen = threading.local()
        self._closing = ExitStack()
        self._closing.callback(self._client.close)

    def close(self) -> None:
        """Close every connection, those of `pykube()` and `kubernetes()` too."""
        self._closing.close()

    # To reach it

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.at.kubeconfig

    def environment(self) -> dict[str, str]:
        """This process' environment with KUBECONFIG, for programs under test."""
        return os.environ | {"KUBECONFIG": str(self.kubeconfig)}

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        """What kubectl prints. Raises KubectlError."""
        cache = self.at.home / "kubectl-cache"
        command = [str(self._access.kubectl), f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}", *args]
        try:
            done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise KubectlError(f"kubectl {' '.join(args)}: not done after {timeout:g} s") from None
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def pykube(self) -> Any:
        """A `pykube.HTTPClient` of this cluster; pykube-ng must be installed."""
        import pykube

        client = pykube.HTTPClient(pykube.KubeConfig.from_file(str(self.kubeconfig)))
        self._closing.callback(client.session.close)
        return client

    def kubernetes(self) -> Any:
        """A `kubernetes.client.ApiClient` of this cluster, for `kubernetes.client.CoreV1Api(…)` and the like."""
        from kubernetes import config

        client = config.new_client_from_config(str(self.kubeconfig))
        self._closing.callback(client.close)
        return client

    # To act and to look

    def apply(self, manifest: Manifest, namespace: str | None = None) -> list[Object]:
        """Create what the manifest holds or make it so, by server-side apply; the objects as the server has them now.

        `namespace` is for those that name none. Definitions of new kinds are served when this returns. Raises
        ValueError for what is no manifest, ClusterError for what the server refuses.
        """
        return [self._client.apply(each, namespace or DEFAULT) for each in objects(manifest)]

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object; `kind` as kubectl takes it. Raises NotFound, a LookupError."""
        namespace = namespace or DEFAULT
        try:
            found = self._client.read(kind, name, namespace)
        except NotFound:
            self._note(kind, namespace, name, None)
            raise
        self._note(kind, namespace, name, found)
        return found

    def objects(self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        """All objects of a kind in the namespace, in all for None; with `labels` only those that have them."""
        found = self._client.every(kind, namespace, labels or {})
        for each in found:
            self._note(kind, each["metadata"].get("namespace", ""), each["metadata"]["name"], each)
        return found

    # To wait

    def wait(self, check: Callable[[], T], timeout: float = 30.0, ignoring: tuple[type[Exception], ...] = ()) -> T:
        """Call `check` until what it answers is true, and return that.

        A failed assert, a LookupError and what `ignoring` names mean "not yet". Raises WaitTimeout, with what the check
        last looked at and what the loops decided about it.
        """
        __tracebackhide__ = True

        def anew() -> T:
            self._seen.objects = {}
            return check()

        try:
            return until(anew, timeout, ignoring)
        except WaitTimeout as error:
            what = getattr(check, "__name__", repr(check)).replace("<lambda>", "it")
            complaint = self._complaint(f"{what} did not come true in {timeout:g} s: {error}")
        finally:
            self._seen.objects = None
        raise WaitTimeout(complaint)

    def wait_for(
        self, target: str, condition: str, namespace: str | None = None, timeout: float = 30.0
    ) -> Object | None:
        """Wait until the object "deployment/web" has a condition: "Available", "Ready=False", "exists" or "deleted".

        Returns it, or None for "deleted". Raises WaitTimeout, ValueError.
        """
        __tracebackhide__ = True
        kind, slash, name = target.partition("/")
        if not (slash and kind and name):
            raise ValueError(f"{target!r} is not KIND/NAME, such as deployment/web")

        def holds() -> tuple[Object | None]:
            try:
                found = self.get(kind, name, namespace)
            except NotFound:
                found = None
            met(found, condition)
            return (found,)

        holds.__name__ = f"{target} {condition}"
        return self.wait(holds, timeout)[0]

    # To say why

    def explain(self, kind: str, name: str, namespace: str | None = None) -> str:
        """What the loops last decided about an object, step by step; empty if they decided nothing."""
        resource = self._client.resource(kind)
        within = (namespace or DEFAULT) if resource.namespaced else ""
        return "\n".join(decisions.in_words(decisions.about(self._access.ports, resource.kind, within, name)))

    def describe(self, namespace: str) -> str:
        """The pods and events of a namespace and what the loops did there, for a person to read."""
        pods, events = (self._client.every(kind, namespace, {}) for kind in ("pods", "events"))
        return report.describe(namespace, pods, events, decisions.within(self._access.ports, namespace))

    # For fixtures

    def create_namespace(self, name: str) -> None:
        """A namespace in which pods can be created at once: with its `default` ServiceAccount."""
        self._client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        self._client.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})

    def delete_namespace(self, name: str) -> None:
        """Let it go, without waiting until it is gone."""
        self._client.delete(f"/api/v1/namespaces/{name}")

    # Inside

    def _note(self, kind: str, namespace: str, name: str, found: Object | None) -> None:
        seen: Seen | None = getattr(self._seen, "objects", None)
        if seen is not None:
            seen[kind, namespace, name] = found

    def _complaint(self, what: str) -> str:
        seen: Seen = self._seen.objects or {}
        return "\n".join([what, *(line for key, found in seen.items() for line in self._told(key, found))])

    def _told(self, key: tuple[str, str, str], found: Object | None) -> list[str]:
        kind, namespace, name = key
        title = f"\n{kind} {name}" + (f" in {namespace}" if namespace else "")
        if found is None:
            return [f"{title}: not there"]
        status = yaml.safe_dump(found.get("status") or {}, sort_keys=False).splitlines()
        told = [f"{title}, status:", *(f"    {line}" for line in status[:STATUS_LINES])]
        decided = self.explain(kind, name, namespace)
        return [*told, *(["decided about it:", decided] if decided else [])]
