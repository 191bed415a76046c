"""What a decision may ask for: the vocabulary between the pure half of a loop and the one applier that writes.

A decision is a generator. It yields a step and is resumed with the step's answer (the created object, the list asked
for, `None`), or with the exception the step met, which it may catch like any other; what it does not catch ends the
decision, and its key is tried again with backoff. Every step says why.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

Body = Mapping[str, Any]
Propagation = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Create:
    """POST `body`; answered with the new object as the kind's struct.

    With `metadata.generateName` the applier picks the name, and a lost answer never makes a second object.
    Raises AlreadyExists, Forbidden, Invalid, …
    """

    kind: Kind[Any]
    namespace: str
    body: Body
    why: str
    subresource: str = ""
    name: str = ""  # of the parent, with a subresource (pods/binding)


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch `body` into `obj`; answered with the new object. Guarded: a Conflict if `obj` is not the newest.

    `guard="uid"` only asks that it is still the same object: for writes that no concurrent change can make wrong.
    """

    kind: Kind[Any]
    obj: Obj
    body: Body
    why: str
    subresource: str = ""
    guard: Literal["revision", "uid"] = "revision"
    strategic: bool = False


@dataclass(frozen=True, slots=True)
class Replace:
    """PUT the whole `body` (as a raw `Get` answered it, changed); answered with the new object."""

    kind: Kind[Any]
    body: Body
    why: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE `obj`, this uid and no namesake; already gone counts as done. `unchanged` also asks for its revision."""

    kind: Kind[Any]
    obj: Obj
    why: str
    grace: int | None = None
    propagation: Propagation | None = None
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class DeleteCollection:
    """DELETE every object of `kind` in `namespace`."""

    kind: Kind[Any]
    namespace: str
    why: str
    propagation: Propagation | None = None


@dataclass(frozen=True, slots=True)
class Get:
    """Ask the server itself; answered with the kind's struct, or a dict if `raw`. Raises NotFound.

    `name` may go on ("web/scale"), or be "" for what has none; `query` is what follows the path (labelSelector, …).
    """

    kind: Kind[Any]
    namespace: str
    name: str
    why: str
    raw: bool = False
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class List:
    """Ask the server for a whole collection, consistently; answered with a list of the kind's structs."""

    kind: Kind[Any]
    namespace: str
    why: str


@dataclass(frozen=True, slots=True)
class Event:
    """Tell the user: recorded on `obj` through the event correlator. `reason` and `message` as upstream's."""

    kind: Kind[Any]
    obj: Obj
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"

    @property
    def why(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True, slots=True)
class Requeue:
    """Decide about this key again `after` seconds, whatever happens meanwhile."""

    after: float
    why: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep `memory` for the next decisions about `obj` (`View.remembered`), in the place of what was kept before.

    For what no object tells and a new process may do without: gone with the process, and with the object.
    """

    kind: Kind[Any]
    obj: Obj
    memory: Any
    why: str


@dataclass(frozen=True, slots=True)
class Together:
    """Creates or deletes of one kind that need no order: many in flight, answered with the list of their answers.

    `slow_start` opens the window one by one with each success, so that a quota error costs one call, not hundreds.
    Raises PartlyDone when one fails; those not yet sent are not tried.
    """

    steps: Sequence[Create | Delete | Patch]
    slow_start: bool = False

    @property
    def why(self) -> str:
        return self.steps[0].why if self.steps else ""


Step = Create | Patch | Replace | Delete | DeleteCollection | Get | List | Event | Requeue | Remember | Together
Decision = Generator[Step, Any, Any]
