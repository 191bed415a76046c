"""The in-memory API server's refusals, worded as the real one words them.

Raised by every `fake_*` module, turned into a metav1.Status answer by `fake.FakeApi`. Answers to apimachinery
pkg/api/errors/errors.go; the texts were compared with a running kube-apiserver v1.34.
"""

from collections.abc import Mapping
from typing import Any

from understudy.errors import ApiError, api_error
from understudy.testing.fake_kinds import Resource

Json = dict[str, Any]

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def _about(resource: Resource, name: str, kind: str = "") -> Json:
    details = {"name": name, "group": resource.group, "kind": kind or resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: Resource, name: str) -> ApiError:
    return api_error(404, "NotFound", f'{resource.id} "{name}" not found', _about(resource, name))


def not_served() -> ApiError:
    return api_error(404, "NotFound", "the server could not find the requested resource", {})


def wrong_method() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return api_error(405, "MethodNotAllowed", message, {})


def already_exists(resource: Resource, name: str, *, generated: bool = False) -> ApiError:
    message, details = f'{resource.id} "{name}" already exists', _about(resource, name)
    if generated:
        message += ", the server was not able to generate a unique name for the object"
        details["retryAfterSeconds"] = 1
    return api_error(409, "AlreadyExists", message, details)


def conflict(resource: Resource, name: str, why: str = MODIFIED, *, subject: str = "") -> ApiError:
    """`subject`: what the message calls the resource when not by its group-resource."""
    message = f'Operation cannot be fulfilled on {subject or resource.id} "{name}": {why}'
    return api_error(409, "Conflict", message, _about(resource, name, subject.partition(".")[0]))


def uid_differs(resource: Resource, key: str, wanted: str, found: str) -> ApiError:
    """A write meant for another object of the same name. `key`: namespace/name."""
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/{resource.plural}/{key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )
    return conflict(resource, key.rpartition("/")[2], why)


def invalid(subject: str, name: str, field: str, reason: str, body: str) -> ApiError:
    """422 with one cause. `subject`: group-kind, "Pod" or "ReplicaSet.apps"; `reason`: the cause's type."""
    kind, _, group = subject.partition(".")
    details: Json = {key: value for key, value in {"name": name, "group": group, "kind": kind}.items() if value}
    details["causes"] = [{"reason": reason, "message": body, "field": field}]
    return api_error(422, "Invalid", f'{subject} "{name}" is invalid: {field}: {body}', details)


def unprocessable() -> ApiError:
    """A JSON patch that cannot be applied."""
    return api_error(422, "Invalid", "the server rejected our request due to an error in our request", {})


def bad_request(message: str) -> ApiError:
    return api_error(400, "BadRequest", message)


def unsupported(message: str = "415: Unsupported Media Type") -> ApiError:
    return api_error(415, "UnsupportedMediaType", message)


def terminating(resource: Resource, name: str, namespace: str) -> ApiError:
    """A create in a namespace that is being deleted (admission plugin NamespaceLifecycle)."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    details = _about(resource, name)
    details["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    return api_error(403, "Forbidden", f'{resource.id} "{name}" is forbidden: {why}', details)


def expired(revision: int, oldest: int) -> ApiError:
    return api_error(410, "Expired", f"too old resource version: {revision} ({oldest})")


def page_expired() -> ApiError:
    message = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
        "that were created, modified, or deleted between the time the first chunk was returned and now may show "
        "up in the list."
    )
    return api_error(410, "Expired", message)


def too_new(revision: int, current: int) -> ApiError:
    """A read that demands a revision the server has not reached."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {revision}, current: {current}"
    return api_error(504, "Timeout", message, details, retry_after=1.0)


def status_body(error: ApiError) -> Json:
    """The metav1.Status that tells `error`."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body["message"] = error.message
    if error.reason:
        body["reason"] = error.reason
    if error.details:
        body["details"] = error.details
    return body | {"code": error.status}


def success(details: Mapping[str, Any] | None = None, code: int | None = None) -> Json:
    """The metav1.Status of a deed that has no object to show."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        body["details"] = dict(details)
    return body if code is None else body | {"code": code}
