"""The API server's audit log as a ledger: who wrote what when, and that no two leaders ever wrote at the same time.

Pure; called by `world` and by the tests, with unit tests of its own (tests/unit/ledger).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

OURS = "system:serviceaccount:understudy-system:understudy-"
UPSTREAM = ("system:kube-controller-manager", "system:kube-scheduler")
UPSTREAM_ACCOUNTS = "system:serviceaccount:kube-system:"


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changed something. `holder` is set if it was to a Lease: who holds it from then on."""

    when: str
    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    holder: str | None = None

    @property
    def side(self) -> str:
        """Whose write it was: "ours", "upstream", or "" for anybody else's."""
        if self.user.startswith(OURS):
            return "ours"
        return "upstream" if self.user in UPSTREAM or self.user.startswith(UPSTREAM_ACCOUNTS) else ""


def read(lines: Iterable[str]) -> list[Write]:
    """The writes that succeeded, in the order in which they were answered."""
    events = [json.loads(line) for line in lines if line.startswith("{")]
    found = [_write(event) for event in events if _succeeded(event)]
    return sorted(found, key=lambda write: write.when)


def controllers(writes: Iterable[Write], namespace: str) -> list[Write]:
    """What the controllers of either side did to the workloads of a namespace."""
    return [
        write
        for write in writes
        if write.namespace == namespace
        and write.resource.partition("/")[0] in ("deployments", "replicasets", "pods")
        and write.verb != "deletecollection"
        and write.side
        and not write.user.endswith(("scheduler", "namespace-controller"))
    ]


def reigns(writes: Sequence[Write], lease: str) -> list[tuple[str, str]]:
    """(when, holder) of each time the Lease got another holder; "" for nobody."""
    turns = [(write.when, write.holder) for write in writes if write.resource == "leases" and write.name == lease]
    known = [(when, holder) for when, holder in turns if holder is not None]
    return [next(group) for _, group in groupby(known, key=lambda turn: turn[1])]


def overlaps(writes: Sequence[Write], turns: Sequence[tuple[str, str]], ours: str) -> list[Write]:
    """The writes of ours made while the Lease was not ours, and those of upstream between two of ours in one reign.

    Upstream may go on writing after it was robbed; ours must wait that out. So within a reign of ours no write of
    upstream's may come after the first of ours. `ours` is what our identities begin with.
    """
    wrong = []
    for begin, end, holder in _spans(turns):
        inside = [write for write in writes if begin <= write.when < end]
        mine = [write for write in inside if write.side == "ours"]
        if not holder.startswith(ours):
            wrong += mine
        elif mine:
            wrong += [write for write in inside if write.side == "upstream" and write.when > mine[0].when]
    return wrong


def _spans(turns: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str, str]]:
    ends = [when for when, _ in turns[1:]] + ["9999"]
    return [(when, end, holder) for (when, holder), end in zip(turns, ends, strict=True)]


def _write(event: dict[str, object]) -> Write:
    target, spec = event.get("objectRef") or {}, (event.get("requestObject") or {})
    assert isinstance(target, dict) and isinstance(spec, dict)  # noqa: PT018 - one fact about the log's form
    resource = "/".join(part for part in (target.get("resource", ""), target.get("subresource", "")) if part)
    holder = (spec.get("spec") or {}).get("holderIdentity") if resource == "leases" else None
    user = event["user"]
    assert isinstance(user, dict)
    return Write(
        str(event["stageTimestamp"]),
        str(user["username"]),
        str(event["verb"]),
        resource,
        str(target.get("namespace", "")),
        str(target.get("name", "")),
        holder,
    )


def _succeeded(event: dict[str, object]) -> bool:
    status = event.get("responseStatus")
    return event.get("stage") == "ResponseComplete" and isinstance(status, dict) and int(status.get("code", 500)) < 300
