"""Differences that are meant, each with its reason: reported as such, and no failure.

Called by `__main__`. A rule is a pattern over the lines of `compare.differences`; what matches none is a bug of ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """`line` is searched in a difference; `sequence`, a pattern too, limits where it counts."""

    line: str
    reason: str
    sequence: str = ""


RULES: Sequence[Known] = ()


def reason(sequence: str, line: str) -> str:
    """Why this difference is as it should be; "" if it is not."""
    for rule in RULES:
        if re.search(rule.sequence, sequence) and re.search(rule.line, line):
            return rule.reason
    return ""
