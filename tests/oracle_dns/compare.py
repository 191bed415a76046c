"""Two answers to one question, made comparable, and what differs that is not known and named. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.oracle_dns.drawn import OUTSIDE
from tests.oracle_dns.questions import Question
from tests.unit.dns.decoder import Message, Rr
from understudy.dns.names import SOA

AA, TC = 0x0400, 0x0200
OPT = 41


class Shape(NamedTuple):
    """What is compared of an answer: names in lower case, records in order of the alphabet, no serial.

    Times to live only of what a server knows itself: others' are counted down. Records only of whole answers.
    """

    rcode: int
    authoritative: bool
    cut: bool
    answer: tuple[Rr, ...] = ()
    authority: tuple[Rr, ...] = ()
    additional: tuple[Rr, ...] = ()


def shape(message: Message) -> Shape:
    """The comparable part of `message`."""
    own, cut = message.flag(AA), message.flag(TC)
    sections = () if cut else (message.answer, message.authority, message.additional)
    return Shape(message.rcode, own, cut, *(_section(each, dated=own) for each in sections))


def _section(records: Sequence[Rr], *, dated: bool) -> tuple[Rr, ...]:
    return tuple(sorted(_plain(each, dated=dated) for each in records if each.type != OPT))


def _plain(record: Rr, *, dated: bool) -> Rr:
    data = record.data.lower()
    if record.type == SOA:
        words = data.split()
        data = " ".join((*words[:2], "serial", *words[3:]))
    return record._replace(name=record.name.lower(), data=data, ttl=record.ttl if dated and not _outside(record) else 0)


def _outside(record: Rr) -> bool:
    return record.name.lower().endswith(f"{OUTSIDE}.")


def difference(question: Question, theirs: Message, ours: Message) -> str:
    """One line that says what differs; empty if nothing does. `question` says what was asked."""
    one, other = shape(theirs), shape(ours)
    parts = [
        f"{name}: theirs {_short(left)}, ours {_short(right)}"
        for name, left, right in zip(Shape._fields, one, other, strict=True)
        if left != right
    ]
    return f"{question.name} {question.kind}{' tcp' if question.tcp else ''}: {'; '.join(parts)}" if parts else ""


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{each.name} {each.type} {each.ttl} {each.data}" for each in value[:4]) + "]"
    return str(value)
