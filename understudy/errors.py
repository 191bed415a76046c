"""What can go wrong with a request, as plain exceptions a pure decision may catch.

Raised by `api.client`, thrown into decisions by `plan.apply`. Names follow the `reason` of metav1.Status
(apimachinery meta/v1/types.go, StatusReason*).
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """The server answered with a Status: HTTP `status`, machine `reason`, human `message`, `details`."""

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or f"the server answered {status} {reason}".rstrip())
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after


class NotFound(ApiError): ...


class AlreadyExists(ApiError): ...


class Conflict(ApiError): ...


class Expired(ApiError):
    """410: the resourceVersion or continue token is older than what the server remembers."""


class Invalid(ApiError): ...


class Forbidden(ApiError):
    @property
    def namespace_terminating(self) -> bool:
        """A create was refused because its namespace is going away (cause NamespaceTerminating)."""
        causes = self.details.get("causes") or ()
        return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class TooManyRequests(ApiError): ...


class Unauthorized(ApiError): ...


_BY_REASON: Mapping[str, type[ApiError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Expired": Expired,
    "Gone": Expired,
    "Invalid": Invalid,
    "Forbidden": Forbidden,
    "TooManyRequests": TooManyRequests,
    "Unauthorized": Unauthorized,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
    429: TooManyRequests,
}


def api_error(
    status: int,
    reason: str = "",
    message: str = "",
    details: Mapping[str, Any] | None = None,
    retry_after: float | None = None,
) -> ApiError:
    """The most fitting ApiError for a Status: by reason, else by HTTP status."""
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ApiError)
    return kind(status, reason, message, details, retry_after)


class PartlyDone(Exception):
    """Some of a batch of steps succeeded, then one failed and the rest were not tried.

    `done` are the answers of those that succeeded, `failed` the number that failed, `cause` the first error.
    """

    def __init__(self, done: Sequence[Any], failed: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.done = done
        self.failed = failed
        self.cause = cause
