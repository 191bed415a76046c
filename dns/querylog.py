"""The query log: one line a question, in CoreDNS's form, of the zones, the outcomes and the share that are asked for.

`server` shows it every question and its answer, if there is one at all. Answers to CoreDNS plugin/log.
"""

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

from understudy.dns.config import ROOT, Config, Log
from understudy.dns.names import NOERROR, NXDOMAIN, RCODES, type_name
from understudy.dns.wire import AA, AD, CD, QR, RA, RD, TC, Bad, Ignored, parse

log = logging.getLogger("understudy.dns.queries")

FLAGS = ((QR, "qr"), (AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (AD, "ad"), (CD, "cd"))


class QueryLog:
    """`emit` gets the lines."""

    def __init__(self, rules: dict[str, Log], emit: Callable[[str], None], rng: random.Random) -> None:
        self._rules, self._emit, self._rng = rules, emit, rng
        self._most = max(rule.sample for rule in rules.values())

    def saw(self, asked: bytes, answer: bytes, peer: Any, seconds: float, *, tcp: bool) -> None:
        """Log it, if it is wanted and the dice say so."""
        dice = self._rng.random()
        if dice >= self._most:
            return
        try:
            query = parse(asked)
        except (Ignored, Bad):
            return
        rule = self._rule(query.name)
        if rule is None or dice >= rule.sample or not _wanted(rule, answer):
            return
        bits = int.from_bytes(answer[2:4], "big")
        size, dnssec = (query.edns.size, query.edns.dnssec) if query.edns else (512, False)
        about = f"{type_name(query.type)} IN {query.name}. {'tcp' if tcp else 'udp'} {len(asked)}"
        number = int.from_bytes(query.id, "big")
        self._emit(
            f'{_peer(peer)} - {number} "{about} {str(dnssec).lower()} {size}" {_rcode(answer)}'
            f" {','.join(sign for bit, sign in FLAGS if bits & bit)} {len(answer)} {seconds:.9f}s"
        )

    def _rule(self, name: str) -> Log | None:
        while name:
            if name in self._rules:
                return self._rules[name]
            name = name.partition(".")[2]
        return self._rules.get(ROOT)


def query_log(config: Config, rng: random.Random) -> QueryLog | None:
    """What the configuration asks for; None if nothing is to be logged."""
    rules = {zone.zone: zone.log for zone in config.zones if zone.log is not None and zone.log.sample}
    return QueryLog(rules, log.info, rng) if rules else None


def _wanted(rule: Log, answer: bytes) -> bool:
    rcode = answer[3] & 15
    nothing = rcode == NXDOMAIN or (rcode == NOERROR and answer[6:8] == b"\0\0")
    kind = "denial" if nothing else "success" if rcode == NOERROR else "error"
    return "all" in rule.classes or kind in rule.classes


def _rcode(answer: bytes) -> str:
    rcode = answer[3] & 15
    return RCODES.get(rcode, str(rcode))


def _peer(peer: Sequence[Any]) -> str:
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
