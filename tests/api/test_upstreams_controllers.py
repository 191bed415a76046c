"""The table behind `understudy controllers --coverage` against what upstream's binary lists, and what it leaves off."""

import re

from tests.api.world import run
from tests.bench.contenders import KCM
from understudy.cluster.toolchain import ensure
from understudy.coverage import OFF, TABLE


def listed(text: str, heading: str) -> set[str]:
    """The names after a heading of the flag `--controllers`."""
    found = re.search(rf"^ *{heading}: ([a-z, -]+)", text, re.MULTILINE)
    assert found, f"no {heading!r} in the help"
    return {*found[1].strip().split(", ")}


def test_the_table_names_what_the_binary_lists() -> None:
    said = run([ensure([KCM])[KCM], "--help"])
    assert said.code == 0, said.err
    assert {one.name for one in TABLE} == listed(said.out, "All controllers")
    off = {one.name for one in TABLE if one.default == OFF and not one.cloud}
    assert off == listed(said.out, "Disabled-by-default controllers")
