"""The in-memory API server's dispatch: one parsed request in, status and document out. Used by `fake.FakeApi`.

Answers to apiserver pkg/endpoints/handlers: which verb on which subresource means what, and with which code.
"""

from collections.abc import Callable, Mapping
from typing import Any

from understudy.testing import fake_write
from understudy.testing.fake_delete import delete
from understudy.testing.fake_kinds import Resource, builtins
from understudy.testing.fake_read import Pages, metadata_of, selection
from understudy.testing.fake_request import Request
from understudy.testing.fake_scale import scale_of
from understudy.testing.fake_state import State

Json = dict[str, Any]
Reply = tuple[int, Json]


class Server:
    """`admission` are a test's plugins, asked on every create and update."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.pages = Pages(state)
        self.resources: list[Resource] = builtins()
        self.admission: list[fake_write.Admit] = []
        self._verbs: Mapping[str, Callable[[Request], Reply]] = {
            "get": self._get,
            "list": lambda request: (200, self.pages.page(request)),
            "create": self._create,
            "update": self._update,
            "patch": lambda request: (200, fake_write.patch(self.state, request, self._admit)),
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def serve(self, request: Request) -> Reply:
        """Do what was asked; everything but a watch. Raises ApiError."""
        status, document = self._verbs[request.verb](request)
        return status, metadata_of(document) if request.partial else document

    def _get(self, request: Request) -> Reply:
        obj = fake_write.found(self.state, request)
        return 200, scale_of(request.resource, obj) if request.subresource == "scale" else obj

    def _create(self, request: Request) -> Reply:
        if request.subresource == "binding":
            return 201, fake_write.bind(self.state, request)
        if request.resource.review:
            return 201, fake_write.review(request, self._admit)
        return 201, fake_write.create(self.state, request, self._admit)

    def _update(self, request: Request) -> Reply:
        obj, created = fake_write.replace(self.state, request, self._admit)
        return 201 if created else 200, obj

    def _delete(self, request: Request) -> Reply:
        obj = fake_write.found(self.state, request)
        return 200, delete(self.state, request.resource, obj, delete_options(request))

    def _delete_collection(self, request: Request) -> Reply:
        wanted = selection(request)
        listed = self.pages.page(request)
        for obj in self.state.all(request.resource, request.namespace):
            if wanted is None or wanted(obj):
                delete(self.state, request.resource, obj, delete_options(request))
        return 200, listed

    def _admit(self, request: Request, obj: Json) -> None:
        for plugin in self.admission:
            plugin(request, obj)


def delete_options(request: Request) -> Json:
    """DeleteOptions from the body, or else from the query."""
    if request.body is not None:
        return request.document
    query = request.query
    options: Json = {"propagationPolicy": query["propagationPolicy"]} if "propagationPolicy" in query else {}
    if "gracePeriodSeconds" in query:
        options["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
    return options
