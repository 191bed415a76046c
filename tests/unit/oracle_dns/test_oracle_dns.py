"""The oracle of cluster DNS itself: what it draws, what it takes for a difference, which it knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracle_dns import compare, drawn, known, questions
from tests.oracle_dns.questions import Question
from tests.unit.dns.decoder import Message, Rr
from understudy.dns.names import ANY, CNAME, MX, NOERROR, NXDOMAIN, SRV, A, Malformed, to_wire
from understudy.kinds.discovery import SERVICE_NAME

NAME = "web.default.svc.cluster.local."
AA = 0x8400


def said(*answer: Rr, rcode: int = NOERROR, flags: int = AA) -> Message:
    return Message(1, flags | rcode, [], list(answer), [], [])


def a(address: str, ttl: int = 30, name: str = NAME) -> Rr:
    return Rr(name, A, 1, ttl, address)


@given(st.integers(0, 10_000))
def test_the_same_seed_draws_the_same(seed: int) -> None:
    made = drawn.draw(seed, 2, 3)
    assert made == drawn.draw(seed, 2, 3)
    assert questions.draw(seed, 5, made, made.services) == questions.draw(seed, 5, made, made.services)


@given(st.integers(0, 10_000))
def test_what_is_drawn_hangs_together_and_can_be_asked(seed: int) -> None:
    made = drawn.draw(seed, 20)
    names = {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in made.services}
    for each in made.slices:
        assert (each["metadata"]["namespace"], each["metadata"]["labels"][SERVICE_NAME]) in names
    for question in questions.draw(seed, 20, made, made.services):
        try:
            to_wire(question.name.lower())
        except Malformed:
            continue
        assert len(question.wire()) > 12


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (said(a("10.0.0.1")), said(a("10.0.0.2"))),
        (said(a("10.0.0.1")), said(a("10.0.0.1", ttl=5))),
        (said(a("10.0.0.1")), said(a("10.0.0.1"), flags=0x8000)),
        (said(a("10.0.0.1")), said(a("10.0.0.1"), flags=AA | 0x0200)),
        (said(), said(rcode=NXDOMAIN)),
    ],
)
def test_differences(theirs: Message, ours: Message) -> None:
    assert compare.difference(Question(NAME, A), theirs, ours)
    assert not known.name_of(Question(NAME, A), theirs, ours)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (said(a("10.0.0.1"), a("10.0.0.2")), said(a("10.0.0.2"), a("10.0.0.1"))),
        (said(a("10.0.0.1", name=NAME.upper())), said(a("10.0.0.1"))),
        (said(a("10.0.0.1", ttl=30), flags=0x8000), said(a("10.0.0.1", ttl=3), flags=0x8000)),
    ],
)
def test_no_differences(theirs: Message, ours: Message) -> None:
    assert not compare.difference(Question(NAME, A), theirs, ours)


def test_known_ones() -> None:
    light, heavy = (said(Rr(NAME, SRV, 1, 30, f"0 {weight} 80 {NAME}")) for weight in (16, 33))
    led = Rr(NAME, CNAME, 1, 30, "gone.default.svc.cluster.local.")
    for question, theirs, ours in (
        (Question(NAME, ANY), said(a("10.0.0.1")), said()),
        (Question(NAME, SRV), light, heavy),
        (Question(f"_tcp.{NAME}", MX), said(rcode=NXDOMAIN), said()),
        (Question(NAME, A), said(led), said(led, rcode=NXDOMAIN)),
    ):
        assert compare.difference(question, theirs, ours)
        assert known.name_of(question, theirs, ours)
    assert not known.name_of(Question(NAME, MX), said(rcode=NXDOMAIN), said()), "the name itself is there or not"
