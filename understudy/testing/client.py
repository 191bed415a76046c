"""The API server as the pytest plugin's cluster sees it: objects by kind and name, server-side apply, discovery.

Called by `understudy.testing.cluster`. Blocking and small, as tests are; safe to use from several threads, one request
at a time.
"""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from understudy.cluster.errors import ClusterError
from understudy.cluster.rest import Api, ApiError, Object, client_tls
from understudy.testing import resources
from understudy.testing.resources import Resource

APPLY = "application/apply-patch+yaml"
"""Server-side apply (KEP-555); JSON is YAML."""
MANAGER = "pytest"
CRD = "CustomResourceDefinition"
PATIENCE = 20.0
"""Seconds until a new kind must be served."""
IDLE = 30.0
"""Seconds after which a connection is not used again: kube-apiserver closes idle ones after 90."""


class NotFound(ClusterError, LookupError):
    """There is no such object, or no such kind."""


class Client(Api):
    """Connects with the administrator's certificate from the folder `pki`."""

    def __init__(self, port: int, pki: Path) -> None:
        super().__init__(port, client_tls(pki))
        self._one_at_a_time = threading.RLock()
        self._known: list[Resource] = []
        self._used = time.monotonic()

    def close(self) -> None:
        """Hang up; the next request would connect anew."""
        self.__exit__()

    def read(self, kind: str, name: str, namespace: str) -> Object:
        """One object. Raises NotFound, ApiError."""
        resource = self.resource(kind)
        try:
            return self.get(resource.path(namespace, name))
        except ApiError as error:
            if error.reason == "NotFound":
                where = f" in namespace {namespace}" if resource.namespaced else ""
                raise NotFound(f"there is no {resource.kind} {name}{where}") from None
            raise

    def every(self, kind: str, namespace: str | None, labels: Mapping[str, str]) -> list[Object]:
        """All objects of a kind, or those with the labels; of all namespaces for None. Raises NotFound, ApiError."""
        query = urlencode({"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())})
        found: list[Object] = self.get(f"{self.resource(kind).path(namespace)}?{query}")["items"]
        return found

    def apply(self, obj: Mapping[str, Any], namespace: str) -> Object:
        """Create the object or make it so; returns once a new kind is served. Raises NotFound, ApiError.

        An object with `generateName` instead of a name is created.
        """
        resource = self._resource_of(obj)
        meta = obj["metadata"]
        path = resource.path(meta.get("namespace", namespace), meta.get("name", ""))
        if "name" in meta:
            query = urlencode({"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"})
            made = self._json("PATCH", f"{path}?{query}", dict(obj), APPLY)
        else:
            made = self._json("POST", f"{path}?fieldValidation=Strict", dict(obj))
        if made["kind"] == CRD:
            self._await_served(made)
        return made

    def resource(self, kind: str) -> Resource:
        """What `kind` names: a kind, plural, singular or short name, with or without ".group". Raises NotFound."""
        with self._one_at_a_time:
            found = resources.find(self._known, kind) or resources.find(self._discover(), kind)
        if found is None:
            raise NotFound(f"the server knows no {kind!r}: is its CustomResourceDefinition applied?")
        return found

    def _resource_of(self, obj: Mapping[str, Any]) -> Resource:
        api, kind = obj["apiVersion"], obj["kind"]
        with self._one_at_a_time:
            found = resources.of(self._known, api, kind) or resources.of(self._discover(), api, kind)
        if found is None:
            raise NotFound(f"the server knows no {kind} of {api}: is its CustomResourceDefinition applied?")
        return found

    def _discover(self) -> list[Resource]:
        """Ask anew what there is; a group whose own server does not answer is left out."""
        groups = self.get("/apis")["groups"]
        paths = ["/api/v1", *(f"/apis/{each['groupVersion']}" for group in groups for each in _versions(group))]
        self._known = [resource for path in paths for resource in self._served_at(path)]
        return self._known

    def _served_at(self, path: str) -> list[Resource]:
        try:
            return resources.read(self.get(path))
        except ApiError:
            return []

    def _await_served(self, crd: Object) -> None:
        spec, end = crd["spec"], time.monotonic() + PATIENCE
        apis = [f"{spec['group']}/{each['name']}" for each in spec["versions"] if each["served"]]
        while any(resources.of(self._served_at(f"/apis/{api}"), api, spec["names"]["kind"]) is None for api in apis):
            if time.monotonic() > end:
                raise ClusterError(f"{crd['metadata']['name']} is applied but not served after {PATIENCE:.0f} s")
            time.sleep(0.05)

    def _request(self, method: str, path: str, body: Object | None, kind: str = "application/json") -> tuple[int, str]:
        with self._one_at_a_time:
            if time.monotonic() - self._used > IDLE:
                self.close()
            try:
                return super()._request(method, path, body, kind)
            finally:
                self._used = time.monotonic()


def _versions(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The group's versions, the preferred one first."""
    preferred = group["preferredVersion"]
    return [preferred, *(each for each in group["versions"] if each != preferred)]
