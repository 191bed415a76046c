"""The answers of this process: rendered once, found by the bytes of the question, until their name changes.

`server` asks `quick` for every message that comes in; the usual question (one that was asked before, with or without a
plain OPT record) is one look into a dictionary. All else is read, looked up and rendered, or handed back as the Query
that only others can answer. A name's answers are kept while it stays as it is; those to names that are not there, and
those that hang on several names, until anything changes. No I/O and no clock.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from understudy.dns.lookup import Finding, Record, look_up, origin_of
from understudy.dns.names import (
    AAAA,
    AXFR,
    CHAOS,
    CNAME,
    HINFO,
    IN,
    IXFR,
    MX,
    NOERROR,
    NS,
    PTR,
    REFUSED,
    SERVFAIL,
    SOA,
    SRV,
    TXT,
    A,
    is_below,
    to_wire,
)
from understudy.dns.records import Zone
from understudy.dns.rewrite import Rewriter, renamed
from understudy.dns.wire import (
    AD,
    CD,
    DO,
    HEADER,
    PLAIN_BYTES,
    RD,
    TCP_BYTES,
    UDP_BYTES,
    Bad,
    Ignored,
    Query,
    Writer,
    head,
    message,
    opt_record,
    parse,
)

VERSION_NAMES = ("version.bind", "version.server")
KEPT_TYPES = (A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, 65)
_ENDINGS = tuple(kind.to_bytes(2, "big").lower() + b"\0\1" for kind in KEPT_TYPES)
"""As a question ends that is in lower case whole, its type, too: 65 (HTTPS) is an "A" there."""
PASSING = 60_000
"""Answers kept that are not of one name: search paths make most questions end in NXDOMAIN."""
TURNS = 8
"""Orders in which several records are given out."""
MANY = 64
"""Records whose order is not changed if each had to be written anew for that; only over TCP are they sent whole."""
_OPTS = 512
_PLAIN_OPT = b"\x00\x00\x29"

Label = tuple[str, int, int]
"""What is counted: zone ("" for what is not ours), type, rcode."""
Counts = dict[Label, int]

_FORMS = {
    (flags.to_bytes(2, "big") + b"\0\1\0\0\0\0\0" + bytes((opt,))): bool(flags & RD) + 2 * opt
    for flags in (0, RD, AD, RD | AD)
    for opt in (0, 1)
}
"""The usual headers, from the flags on, to which of an answer's heads is due: recursion wanted, OPT sent."""


class Answer(NamedTuple):
    """`heads` by form; `bodies` are the records in several orders; `size` is that of question and records."""

    heads: tuple[bytes, ...]
    bodies: tuple[bytes, ...]
    size: int
    label: Label


class Table:
    """`synced`: the zone is known; before, questions about it are answered SERVFAIL, never NXDOMAIN.

    `counts` over UDP, and over TCP.
    """

    def __init__(
        self, zone: Zone, version: str, *, loop_name: str | None = None, on_loop: Callable[[], None] = lambda: None
    ):
        self.zone = zone
        self.rewriter = Rewriter()
        self.synced = False
        self.counts: tuple[Counts, Counts] = (defaultdict(int), defaultdict(int))
        self._version = version
        self._loop_name = loop_name
        self._on_loop = on_loop
        self._kept: dict[bytes, Answer] = {}
        self._passing: dict[bytes, Answer] = {}
        self._negatives: dict[tuple[int, int, int, Record], Answer] = {}
        self._opts: dict[bytes, tuple[int, bytes]] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._kept) + len(self._passing)

    def forget(self, names: Iterable[str]) -> None:
        """These names have changed: what was rendered of them, or might hang on them, is no longer true."""
        self._passing.clear()
        self._negatives.clear()
        for name in names:
            wire = to_wire(name)
            for ending in _ENDINGS:
                self._kept.pop(wire + ending, None)

    def forget_all(self) -> None:
        """The rules have changed."""
        self._passing.clear()
        self._negatives.clear()
        self._kept.clear()

    def quick(self, data: bytes, *, tcp: bool = False) -> bytes | Query | None:
        """The answer; None if there shall be none; the Query if others have to be asked, or the whole be composed."""
        form = _FORMS.get(data[2:12])
        if form is not None:
            end = data.find(b"\0", HEADER) + 5
            answer = self._find(data[HEADER:end].lower())
            if answer is not None:
                room, opt = self._room(data[end:], form) if not tcp else self._room_tcp(data[end:], form)
                if answer.size <= room:
                    self.counts[tcp][answer.label] += 1
                    return data[:2] + answer.heads[form] + data[HEADER:end] + self._body(answer) + opt
        return self._slow(data, tcp=tcp)

    def _find(self, key: bytes) -> Answer | None:
        return self._kept.get(key) or self._passing.get(key)

    def _body(self, answer: Answer) -> bytes:
        bodies = answer.bodies
        if len(bodies) == 1:
            return bodies[0]
        self._turn += 1
        return bodies[self._turn % len(bodies)]

    def _room(self, rest: bytes, form: int) -> tuple[int, bytes]:
        """Bytes for question and records, and our OPT record, from what is behind the question; -1: look closely."""
        if form < 2:
            return (PLAIN_BYTES - HEADER, b"") if not rest else (-1, b"")
        known = self._opts.get(rest)
        if known is None:
            known = _read_opt(rest)
            if len(self._opts) < _OPTS:
                self._opts[rest] = known
        return known

    def _room_tcp(self, rest: bytes, form: int) -> tuple[int, bytes]:
        room, opt = self._room(rest, form)
        return (TCP_BYTES - HEADER - len(opt) if room > 0 else room), opt

    # What was not asked before, or not like this

    def _slow(self, data: bytes, *, tcp: bool) -> bytes | Query | None:
        try:
            query = parse(data)
        except Ignored:
            return None
        except Bad as bad:
            return self._counted(("", 0, bad.rcode), bad.reply, tcp=tcp)
        if query.klass != IN or query.type in (IXFR, AXFR):
            return self._special(query, tcp=tcp)
        if query.name == self._loop_name:
            self._on_loop()
            return self._refused(query, tcp=tcp)
        if not self.synced:
            return self._too_early(query, tcp=tcp)
        return self._ours(query, tcp=tcp)

    def _ours(self, query: Query, *, tcp: bool) -> bytes | Query:
        room = query.limit(tcp=tcp) - HEADER - len(query.opt())
        key = query.question.lower()
        answer = self._find(key)
        if answer is not None and answer.size > room:
            answer = self._passing.get(_cut_key(key, room))
        if answer is None:
            name = self.rewriter.of(query.name)
            finding = look_up(self.zone, name, query.type)
            if finding is None or finding.outside is not None:
                return query
            if name != query.name:
                finding = renamed(finding, name, query.name)
            answer = self._keep(query, finding, room)
        return self._counted(answer.label, self._reply(query, answer), tcp=tcp)

    def _reply(self, query: Query, answer: Answer) -> bytes:
        start = answer.heads[bool(query.flags & RD) + 2 * bool(query.edns)]
        if query.flags & CD:
            start = start[:1] + bytes((start[1] | CD,)) + start[2:]
        return query.id + start + query.question + self._body(answer) + query.opt()

    def _keep(self, query: Query, finding: Finding, room: int) -> Answer:
        """What is kept of it for all askers; the answer for one who has that much room, which is kept, too."""
        key, label = query.question.lower(), (origin_of(self.zone, query.name), query.type, finding.rcode)
        if len(self._passing) >= PASSING:
            self._passing.clear()
        whole = self._negative(query.question, finding, label) or _answer(query.question, finding, label)
        lasting = finding.lasting and query.type in KEPT_TYPES
        (self._kept if lasting else self._passing)[key] = whole
        if whole.size <= room:
            return whole
        cut = _cut_answer(query.question, finding, label, room)
        self._passing[_cut_key(key, room)] = cut
        return cut

    def _negative(self, question: bytes, finding: Finding, label: Label) -> Answer | None:
        """One answer for all names of one length that hold nothing: the zone's SOA, told by a pointer into the name."""
        if finding.answers or finding.additional or len(finding.authority) != 1:
            return None
        (authority,) = finding.authority
        origin = to_wire(authority.name)
        before = len(question) - 4 - len(origin)
        if before < 2:
            return None
        key = (finding.rcode, label[1], before, authority)
        answer = self._negatives.get(key)
        if answer is None:
            answer = self._negatives[key] = _answer(_filler(before) + origin + question[-4:], finding, label)
        return answer

    def _too_early(self, query: Query, *, tcp: bool) -> bytes | Query:
        """Before the first list all that might be ours is in doubt, addresses too."""
        if not is_below(query.name, self.zone.origin) and not query.name.endswith(".arpa"):
            return query
        reply = message(query, SERVFAIL, authoritative=False)
        return self._counted((self.zone.origin, query.type, SERVFAIL), reply, tcp=tcp)

    def _special(self, query: Query, *, tcp: bool) -> bytes:
        """CHAOS says our version and nothing about the machine; zones are not given away whole."""
        if query.klass == CHAOS and query.type == TXT and query.name in VERSION_NAMES:
            data = self._version.encode()[:255]
            record = Record(query.name, TXT, 0, bytes((len(data),)) + data)
            said = Finding(answers=(record,))
            reply = _as_chaos(message(query, NOERROR, said), len(query.question))
            return self._counted(("", TXT, NOERROR), reply, tcp=tcp)
        return self._refused(query, tcp=tcp)

    def _refused(self, query: Query, *, tcp: bool) -> bytes:
        reply = message(query, REFUSED, authoritative=False)
        return self._counted(("", query.type, REFUSED), reply, tcp=tcp)

    def _counted(self, label: Label, reply: bytes, *, tcp: bool) -> bytes:
        self.counts[tcp][label] += 1
        return reply


def _as_chaos(reply: bytes, question: int) -> bytes:
    """The class of the one record, behind its name, which is a pointer, and its type."""
    at = HEADER + question + 4
    return reply[:at] + CHAOS.to_bytes(2, "big") + reply[at + 2 :]


def _read_opt(rest: bytes) -> tuple[int, bytes]:
    """Bytes for question and records, and our OPT; -1 if this is not one OPT record of version 0 without options."""
    if len(rest) != 11 or rest[:3] != _PLAIN_OPT or rest[5:7] != b"\0\0" or rest[9:] != b"\0\0":
        return -1, b""
    size = min(max(int.from_bytes(rest[3:5], "big"), PLAIN_BYTES), UDP_BYTES)
    opt = opt_record(dnssec=bool(int.from_bytes(rest[7:9], "big") & DO))
    return size - HEADER - len(opt), opt


def _filler(size: int) -> bytes:
    """Labels of so many bytes, 2 or more, that no name of ours ends in: so nothing is told by a pointer to them."""
    return b"\1\0" * (size // 2) if size % 2 == 0 else b"\2\0\0" + b"\1\0" * (size // 2 - 1)


def _cut_key(key: bytes, room: int) -> bytes:
    """No question: there is something behind one."""
    return key + b"cut" + room.to_bytes(2, "big")


def _answer(question: bytes, finding: Finding, label: Label) -> Answer:
    """All forms and some orders of one answer; one that is too big for any message has no size that fits."""
    writer = Writer(question)
    counts = [writer.add(records) for records in (finding.answers, finding.authority, finding.additional)]
    whole = counts == [len(finding.answers), len(finding.authority), len(finding.additional)]
    size = len(question) + len(writer.out) if whole else TCP_BYTES
    bodies = _bodies(question, finding, writer) if whole else (b"",)
    return Answer(_heads(finding.rcode, counts, cut=False), bodies, size, label)


def _cut_answer(question: bytes, finding: Finding, label: Label, room: int) -> Answer:
    """The same for those with less room: first what was not asked for goes, then, said by TC, records from the end."""
    several, written = len(finding.answers), []
    for turn in range(min(several, TURNS) or 1):
        writer = Writer(question, room + HEADER)
        turned = _turned(finding, turn * several // TURNS)
        counts = [writer.add(turned.answers), writer.add(turned.authority)]
        cut = counts != [several, len(finding.authority)]
        counts.append(0 if cut else writer.add(turned.additional))
        written.append((counts, cut, bytes(writer.out)))
    fewest = min(written)  # records differ in size: all orders are to have the same counts
    bodies = tuple(body for counts, _, body in written if counts == fewest[0])
    return Answer(_heads(finding.rcode, fewest[0], cut=fewest[1]), bodies, room, label)


def _heads(rcode: int, counts: Sequence[int], *, cut: bool) -> tuple[bytes, ...]:
    """By form: recursion wanted or not, with an OPT record or without."""
    return tuple(
        head(RD if form & 1 else 0, rcode, (*counts[:2], counts[2] + (form >> 1)), authoritative=True, cut=cut)
        for form in range(4)
    )


def _bodies(question: bytes, finding: Finding, written: Writer) -> tuple[bytes, ...]:
    """What was written, in some of the orders the answers can have."""
    first, several = bytes(written.out), len(finding.answers)
    turns = [step * several // min(several, TURNS) for step in range(1, min(several, TURNS))]
    if _movable(finding):
        ends = written.ends[:several]
        return first, *(first[ends[by - 1] : ends[-1]] + first[: ends[by - 1]] for by in turns)
    if several > MANY:
        return (first,)
    return first, *(_write(question, _turned(finding, by)) for by in turns)


def _movable(finding: Finding) -> bool:
    """Whether records can change places as they are written: all have the question's name, and no other in them."""
    return all(each.type in (A, AAAA) for each in (*finding.answers, *finding.authority, *finding.additional))


def _write(question: bytes, finding: Finding) -> bytes:
    writer = Writer(question)
    for records in (finding.answers, finding.authority, finding.additional):
        writer.add(records)
    return bytes(writer.out)


def _turned(finding: Finding, by: int) -> Finding:
    """Another order of the records asked for; a chain of CNAMEs stays in front."""
    chain = [each for each in finding.answers if each.type == CNAME]
    rest = [each for each in finding.answers if each.type != CNAME]
    by %= max(len(rest), 1)
    answers = (*chain, *rest[by:], *rest[:by])
    return Finding(finding.rcode, answers, finding.authority, finding.additional, finding.outside, finding.lasting)
