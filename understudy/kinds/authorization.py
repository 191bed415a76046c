"""The authorization group's kinds, as far as the controllers read them (k8s.io/api authorization/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class SubjectAccessReviewStatus(Struct, gc=False):
    allowed: bool = False


class SubjectAccessReview(Obj, gc=False):
    """A question to the server, which stores nothing: the answer to its create says whether somebody may do that."""

    status: SubjectAccessReviewStatus = field(default_factory=SubjectAccessReviewStatus)


SUBJECT_ACCESS_REVIEWS = Kind(
    "authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview", SubjectAccessReview, namespaced=False
)
