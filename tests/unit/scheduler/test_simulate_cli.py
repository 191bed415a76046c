"""`understudy simulate`: what cannot be read is told in a line."""

from pathlib import Path
from typing import Any

import pytest

from understudy.api.config import ConfigError
from understudy.scheduler.cli import run


def simulate(file: str, **given: Any) -> int:
    where = {"kubeconfig": Path("/nowhere"), "context": None, "names": "x", "plugin_dir": None, "seed": 0}
    return run([file], "default", "table", **{**where, **given})


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "there is no manifest in it"), ("- a", "there is no manifest in it"), ("a: [", "while parsing")],
)
def test_files_that_are_no_manifests(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "pods.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why) as refused:
        simulate(str(file))
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: No such file or directory"):
        simulate(str(tmp_path / "nothing.yaml"))
