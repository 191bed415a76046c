"""The query log: which questions, in which form, and how many of them."""

import random

from tests.unit.dns.decoder import ask, edns
from tests.unit.dns.objects import service, table_of
from understudy.dns.config import Config, Log, ZonePart, parse
from understudy.dns.querylog import QueryLog, query_log

WEB = "web.default.svc.cluster.local"
PEER = ("10.0.0.7", 4444)


def lines(rules: dict[str, Log], *asked: bytes, times: int = 1) -> list[str]:
    table, out = table_of(service("web", "10.96.0.10")), list[str]()
    it = QueryLog(rules, out.append, random.Random(1))
    for each in asked * times:
        answer = table.quick(each)
        assert isinstance(answer, bytes)
        it.saw(each, answer, PEER, 0.0015, tcp=False)
    return out


def test_a_line_as_coredns_writes_it() -> None:
    (plain,) = lines({"": Log()}, ask(WEB))
    assert plain == f'10.0.0.7:4444 - 7 "A IN {WEB}. udp 47 false 512" NOERROR qr,aa,rd,ra 63 0.001500000s'
    (dnssec,) = lines({"": Log()}, ask("x.default.svc.cluster.local", opt=edns(4096, do=True)))
    assert '" NXDOMAIN' in dnssec
    assert "true 4096" in dnssec


def test_only_what_is_asked_for() -> None:
    asked = (ask(WEB), ask(WEB, 28), ask("x.default.svc.cluster.local"), ask(WEB, 252))
    denials = lines({"": Log(classes=("denial",))}, *asked)
    assert [each.split(" ")[10] for each in denials] == ["NOERROR", "NXDOMAIN"]
    assert [each.split(" ")[10] for each in lines({"": Log(classes=("error",))}, *asked)] == ["REFUSED"]
    assert len(lines({"": Log(classes=("success", "error"))}, *asked)) == 2


def test_the_longest_zone_counts_and_others_are_not_logged() -> None:
    rules = {"default.svc.cluster.local": Log(), WEB: Log(sample=0.0)}
    assert len(lines(rules, ask(WEB), ask("x.default.svc.cluster.local"), ask("a.b.svc.cluster.local"))) == 1


def test_a_share_of_them() -> None:
    assert 50 < len(lines({"": Log(sample=0.1)}, ask(WEB), times=1000)) < 150


def test_what_is_no_question_is_not_logged() -> None:
    out: list[str] = []
    QueryLog({"": Log()}, out.append, random.Random(1)).saw(b"\0\7\1\0\0\2" + b"\0" * 20, b"\0" * 12, PEER, 0, tcp=True)
    assert out == []


def test_without_a_rule_nothing_looks_at_questions() -> None:
    assert query_log(parse(""), random.Random(1)) is None
    assert query_log(Config((ZonePart("", log=Log(sample=0.0)),)), random.Random(1)) is None
    assert query_log(Config((ZonePart("", log=Log()),)), random.Random(1)) is not None
