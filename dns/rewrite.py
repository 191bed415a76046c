"""Names asked for under other names: rewrite rules, and the answer given back under the name it was asked for. Pure.

`table` asks it for every question it has not answered before, `server` for those that others are asked. Answers to
CoreDNS plugin/rewrite, of which it has the rules for names.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from understudy.dns.config import Rewrite
from understudy.dns.lookup import Finding, Record
from understudy.dns.names import Malformed, to_wire

Rule = Callable[[str], str | None]
"""From a name, in lower case and without the final dot, to another; None if it does not match."""


class Rewriter:
    """`of` says which name a question is really about."""

    def __init__(self, rules: Sequence[Rewrite] = ()) -> None:
        self._rules = [(_rule(each), each.more) for each in rules]

    def of(self, name: str) -> str:
        """`name` itself if no rule matches, or if what the rules make of it is no name."""
        found = name
        for rule, more in self._rules:
            changed = rule(found)
            if changed is None:
                continue
            found = changed.lower().removesuffix(".")
            if not more:
                break
        return found if found == name or _is_name(found) else name


def renamed(finding: Finding, was: str, asked: str) -> Finding:
    """The answer about `was`, given to one who asked for `asked`. It hangs on more than one name."""
    answers, additional = _renamed(finding.answers, was, asked), _renamed(finding.additional, was, asked)
    return replace(finding, lasting=False, answers=answers, additional=additional)


def _renamed(records: Iterable[Record], was: str, asked: str) -> tuple[Record, ...]:
    return tuple(each._replace(name=asked) if each.name == was else each for each in records)


def _is_name(text: str) -> bool:
    try:
        to_wire(text)
    except Malformed:
        return False
    return True


def _rule(rule: Rewrite) -> Rule:
    if rule.match == "regex":
        return _by_pattern(re.compile(rule.name), rule.to)
    part, to = rule.name.lower(), rule.to
    if rule.match == "exact":
        whole = part.removesuffix(".")
        return lambda name: to if name == whole else None
    if rule.match == "prefix":
        return lambda name: to + name.removeprefix(part) if name.startswith(part) else None
    if rule.match == "suffix":
        ending = part.removesuffix(".")
        return lambda name: name.removesuffix(ending) + to if name.endswith(ending) else None
    return lambda name: name.replace(part, to) if part in name else None


def _by_pattern(pattern: re.Pattern[str], to: str) -> Rule:
    """As CoreDNS: the pattern is looked for in the name with its final dot, and what is made replaces all of it."""

    def rule(name: str) -> str | None:
        match = pattern.search(f"{name}.")
        if match is None:
            return None
        return re.sub(r"\{(\d+)\}", lambda number: match[int(number[1])] or "", to)

    return rule
