"""A small synchronous client of the API server, for the commands that start a cluster: HTTP/1.1, JSON, one
connection.

Called by `understudy.cluster.embedded` (is the server ready?) and `understudy.cluster.nodes`. The loops have
a client of their own (`understudy.api`); this one needs nothing but the standard library, so that the command
line starts fast.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

from understudy.cluster.errors import ClusterError

Object = dict[str, Any]

_JSON = "application/json"


class ApiError(ClusterError):
    """The API server refused a request: `code` is the HTTP status, `reason` that of its Status."""

    def __init__(self, what: str, code: int, status: Object) -> None:
        self.code = code
        self.reason = str(status.get("reason", ""))
        super().__init__(f"{what}: the API server answered {code}: {status.get('message') or self.reason}")


class Api:
    """One connection to the API server on 127.0.0.1, opened on the first request and again after it broke."""

    def __init__(self, port: int, tls: ssl.SSLContext, timeout: float = 30.0) -> None:
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=timeout)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def get(self, path: str) -> Object:
        """Return the object or list at `path`. Raises `ApiError`."""
        return self._json("GET", path)

    def create(self, path: str, body: Object) -> Object | None:
        """POST `body` to the collection `path`; None if an object of that name is there already."""
        try:
            return self._json("POST", path, body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            raise

    def patch(self, path: str, body: Object) -> Object:
        """Apply the JSON merge patch `body` to the object at `path` and return it."""
        return self._json("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        """DELETE the object or collection at `path`; one that is not there is as good as deleted."""
        try:
            self._json("DELETE", path)
        except ApiError as error:
            if error.code != http.HTTPStatus.NOT_FOUND:
                raise

    def text(self, path: str) -> tuple[int, str]:
        """Return status and body of a GET that answers plain text, such as /readyz.

        Raises OSError if nobody answers.
        """
        return self._request("GET", path, None)

    def _json(self, method: str, path: str, body: Object | None = None, kind: str = _JSON) -> Object:
        try:
            code, text = self._request(method, path, body, kind)
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(f"the API server does not answer {method} {path}: {error}") from None
        try:
            answer: Object = json.loads(text)
        except ValueError:
            answer = {"message": text[:200]}
        if code >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(f"{method} {path}", code, answer)
        return answer

    def _request(self, method: str, path: str, body: Object | None, kind: str = _JSON) -> tuple[int, str]:
        content = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, content, {"Content-Type": kind})
            response = self.connection.getresponse()
            return response.status, response.read().decode()
        except BaseException:
            self.connection.close()
            raise


def client_tls(pki: Path, user: str = "admin") -> ssl.SSLContext:
    """Return the TLS settings of `user` (a name of `understudy.cluster.pki.LEAVES`): only this cluster's
    server is trusted.
    """
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
    return context
