"""Differences from CoreDNS that are meant, each with its reason; docs/controllers/dns.md tells them, too. Pure."""

import re
from collections.abc import Callable
from typing import NamedTuple

from tests.oracle_dns.compare import Shape, shape
from tests.oracle_dns.questions import Question
from tests.unit.dns.decoder import Message, Rr
from understudy.dns.names import AAAA, ANY, CNAME, NOERROR, NS, NXDOMAIN, SOA, SRV, A

WITHOUT = re.compile(
    r"(_\S+|([^.]+\.)?(svc|pod)\.cluster\.local|((ns\.)?dns|dns-version)\.cluster\.local|cluster\.local)\.?"
)
"""Names that are there because of others, or with one type only."""


class Known(NamedTuple):
    """A difference with a name; `is_it` sees the question, their answer and ours."""

    name: str
    why: str
    is_it: Callable[[Question, Shape, Shape], bool]


KNOWN: tuple[Known, ...] = (
    Known("ANY", "one HINFO record instead of whatever is there (RFC 8482)", lambda asked, _, __: asked.kind == ANY),
    Known(
        "SOA of a name that is not there",
        "CoreDNS says NOERROR of any name if it is asked for its SOA; NXDOMAIN is what a resolver may keep (RFC 2308)",
        lambda asked, theirs, ours: (
            asked.kind == SOA and (theirs.rcode, ours.rcode) == (NOERROR, NXDOMAIN) and _same_records(theirs, ours)
        ),
    ),
    Known(
        "a name that is there, without that type",
        "NODATA (RFC 2308), also for what only has names below it (RFC 8020): svc.cluster.local, _tcp.web.default.svc; "
        "CoreDNS says NXDOMAIN of the latter, and of some of its own names",
        lambda asked, theirs, ours: (
            (theirs.rcode, ours.rcode) == (NXDOMAIN, NOERROR)
            and WITHOUT.fullmatch(asked.name.lower()) is not None
            and not ours.answer
            and _same_records(theirs, ours)
        ),
    ),
    Known(
        "what was not asked for does not fit",
        "TC says that an answer is cut (RFC 2181 9); CoreDNS sets it also when only additional records were left out",
        lambda asked, theirs, ours: asked.kind == SRV and theirs.cut and not ours.cut and theirs.rcode == ours.rcode,
    ),
    Known(
        "the address of the name server",
        "ns.dns has that of the Service kube-dns; CoreDNS, outside of a pod, those of its machine",
        lambda asked, theirs, ours: (
            (asked.name.lower() == "ns.dns.cluster.local" and asked.kind in (A, AAAA))
            or (asked.kind == NS and theirs[:-1] == ours[:-1])
        ),
    ),
    Known(
        "the name server of the zone in capitals",
        "names are the same in any case (RFC 4343); CoreDNS knows its own zone's NS record in small letters only",
        lambda asked, theirs, ours: (
            asked.kind == NS and asked.name != asked.name.lower() and not theirs.answer and theirs.rcode == ours.rcode
        ),
    ),
    Known(
        "SOA of reverse names",
        "CoreDNS says it has authority over all of in-addr.arpa and ip6.arpa; ours asks the others",
        lambda asked, theirs, ours: (
            asked.kind == SOA and asked.name.lower().endswith(".arpa") and not ours.authoritative
        ),
    ),
    Known(
        "weights of SRV records",
        "CoreDNS shares 100 among addresses times ports, ours among the records that are sent",
        lambda asked, theirs, ours: asked.kind == SRV and _weightless(theirs) == _weightless(ours),
    ),
    Known(
        "SRV of a pod's address",
        "CoreDNS says that port 0 of it is there; ours that it has no such record",
        lambda asked, theirs, ours: (
            asked.kind == SRV and ".pod." in asked.name.lower() and not ours.answer and ours.rcode == NOERROR
        ),
    ),
    Known(
        "the rcode at the end of a CNAME",
        "that of the last name (RFC 6604): NXDOMAIN if an ExternalName leads to a Service that is not there",
        lambda _, theirs, ours: (
            (theirs.rcode, ours.rcode) == (NOERROR, NXDOMAIN)
            and bool(ours.answer)
            and all(each.type == CNAME for each in ours.answer)
            and theirs.answer in (ours.answer, ())
        ),
    ),
    Known(
        "other types of an ExternalName",
        "a CNAME answers for every type (RFC 1034 3.6.2); CoreDNS has nothing of other types than A and AAAA",
        lambda asked, theirs, ours: (
            asked.kind not in (A, AAAA, CNAME)
            and not theirs.answer
            and theirs.rcode == ours.rcode == NOERROR
            and any(each.type == CNAME for each in ours.answer)
        ),
    ),
)


def _same_records(theirs: Shape, ours: Shape) -> bool:
    return theirs.answer == ours.answer and theirs.authority == ours.authority


def _weightless(one: Shape) -> tuple[object, ...]:
    """The records without the second word of each SRV record."""
    records = ((each.name, each.type, each.ttl, *_words(each)) for each in one.answer)
    return one.rcode, sorted(records), one.authority, one.additional


def _words(record: Rr) -> list[str]:
    words = record.data.split()
    return [words[0], *words[2:]] if record.type == SRV else words


def name_of(question: Question, theirs: Message, ours: Message) -> str:
    """Which known difference this is; "" if none."""
    one, other = shape(theirs), shape(ours)
    return next((each.name for each in KNOWN if each.is_it(question, one, other)), "")
