"""The configuration file changes under a running server."""

from pathlib import Path

import pytest

from understudy.dns.config import Config
from understudy.dns.reload import Reload


def test_only_what_has_changed_and_can_be_is_applied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, got = tmp_path / "dns.yaml", list[Config]()
    file.write_text("zones: []")
    it = Reload(str(file), ("10.0.0.1",), got.append)
    it.look()
    assert got == []
    file.write_text("zones: [{zone: a, forward: {to: [10.0.0.2]}}]")
    it.look()
    it.look()
    assert [zone.zone for zone in got[-1].zones] == ["", "a"]
    file.write_text("zones: 7")
    it.look()
    it.look()
    assert caplog.text.count("the configuration stays as it was") == 1
    assert "dns.yaml: Expected `array`" in caplog.text
    file.unlink()
    it.look()
    assert (len(got), it.done, it.failed) == (1, 1, 2)


async def test_without_a_file_there_is_nothing_to_look_at() -> None:
    await Reload("", (), lambda _: None).run()


def test_what_cannot_be_applied_is_complained_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "dns.yaml"
    file.write_text("")

    def refuse(_: Config) -> None:
        raise FileNotFoundError("ca.pem is not there")

    it = Reload(str(file), (), refuse)
    file.write_text("zones: []")
    it.look()
    assert (it.failed, "ca.pem is not there" in caplog.text) == (1, True)
