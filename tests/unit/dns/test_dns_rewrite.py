"""Rewrite rules, alone and in the table: under which name the answer comes back."""

import pytest

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.objects import external, port, service, table_of
from understudy.dns.config import Rewrite
from understudy.dns.names import CNAME, NXDOMAIN, SRV
from understudy.dns.rewrite import Rewriter
from understudy.dns.wire import Query

WEB = "web.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("rule", "name", "made"),
    [
        (Rewrite("exact", "a.example.", "b.example."), "a.example", "b.example"),
        (Rewrite("exact", "a.example", "b.example"), "c.a.example", "c.a.example"),
        (Rewrite("prefix", "old-", "new-"), "old-web.example", "new-web.example"),
        (Rewrite("suffix", ".corp.example.", ".svc.cluster.local."), "web.a.corp.example", "web.a.svc.cluster.local"),
        (Rewrite("substring", "old", "new"), "a.older.example", "a.newer.example"),
        (Rewrite("regex", r"^(.*)\.(.*)\.example\.$", "{2}.{1}.svc"), "web.a.example", "a.web.svc"),
        (Rewrite("regex", "a(b)?", "x{1}.example"), "a.example", "x.example"),
        (Rewrite("prefix", "a", "x" * 70), "a.example", "a.example"),
        (Rewrite("substring", "a.", "."), "a.example", "a.example"),
        (Rewrite("suffix", ".example", ".Example.ORG"), "a.example", "a.example.org"),
    ],
)
def test_one_rule(rule: Rewrite, name: str, made: str) -> None:
    assert Rewriter([rule]).of(name) == made


def test_the_first_that_matches_counts_unless_more_shall() -> None:
    rules = [Rewrite("suffix", ".a", ".b"), Rewrite("suffix", ".b", ".c")]
    assert Rewriter(rules).of("x.a") == "x.b"
    more = [Rewrite("suffix", ".a", ".b", more=True), *rules[1:]]
    assert Rewriter(more).of("x.a") == "x.c"


def test_the_answer_has_the_name_that_was_asked_for() -> None:
    table = table_of(service("web", "10.96.0.10", ports=[port(80, "http")]), external("away", "a.example"))
    table.rewriter = Rewriter([Rewrite("suffix", ".corp", ".svc.cluster.local")])
    for _ in range(2):  # looked up, and known
        reply = table.quick(ask("WEB.default.corp"))
        assert isinstance(reply, bytes)
        assert [(each.name, each.data) for each in decode(reply).answer] == [("WEB.default.corp.", "10.96.0.10")]
    srv = table.quick(ask("_http._tcp.web.default.corp", SRV))
    assert isinstance(srv, bytes)
    assert decode(srv).answer[0].name == "_http._tcp.web.default.corp."
    assert decode(srv).data() == [f"0 100 80 {WEB}."]
    alias = table.quick(ask("away.default.corp", CNAME))
    assert isinstance(alias, bytes)
    assert decode(alias).answer[0][0] == "away.default.corp."
    gone = table.quick(ask("x.default.corp"))
    assert isinstance(gone, bytes)
    assert decode(gone).rcode == NXDOMAIN
    assert isinstance(table.quick(ask("x.elsewhere")), Query)


def test_new_rules_hold_for_names_that_were_asked_for() -> None:
    table = table_of(service("web", "10.96.0.10"), service("db", "10.96.0.11"))
    table.quick(ask(WEB))
    table.rewriter = Rewriter([Rewrite("exact", WEB, "db.default.svc.cluster.local")])
    table.forget_all()
    reply = table.quick(ask(WEB))
    assert isinstance(reply, bytes)
    assert decode(reply).data() == ["10.96.0.11"]
