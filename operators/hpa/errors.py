"""Why nobody can tell how many Pods there should be; the messages are upstream's.

Raised by the other modules of this controller, told in Events and conditions by its decision. `said` gives an answer
of the server the words that client-go's apierrors.NewGenericServerResponse has for it.
"""

from understudy.errors import ApiError

_WORDS = {
    404: "the server could not find the requested resource",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class NotComputable(Exception):
    """Something is missing that the computation needs."""


class Failed(Exception):
    """One metric gives no replica count: `reason` and `said` for its Event and condition; as text, the error."""

    def __init__(self, reason: str, said: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.said = said


def said(error: ApiError, what: str) -> str:
    """What the server said; of an answer without words, what it means for a `what` ("pods.metrics.k8s.io") read."""
    if error.reason:
        return str(error)
    words = _WORDS.get(error.status)
    return f"{words} (get {what})" if words else str(error)
