"""Kubeconfig files: read, merged as kubectl does, one context picked out.

`config.load` calls `find`, `read` and `pick`. A reader of our own, since importing the `kubernetes` package for this
costs ten times the CPU and 27 MB more. Merging follows client-go's tools/clientcmd/loader.go: for every name and for
current-context the first file that has it wins, and relative paths count from the folder of the file they stand in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from understudy.api.tokens import ConfigError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
S = TypeVar("S", bound=msgspec.Struct)


class Cluster(msgspec.Struct, rename="kebab"):
    """The `cluster` of an entry of `clusters`, as far as it is read."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    proxy_url: str = ""


class User(msgspec.Struct, rename="kebab"):
    """The `user` of an entry of `users`, as far as it is read."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    username: str = ""
    password: str = ""
    auth_provider: dict[str, Any] | None = None
    exec: dict[str, Any] | None = None
    as_: str = msgspec.field(name="as", default="")


class _Context(msgspec.Struct):
    cluster: str = ""
    user: str = ""


class _Named(msgspec.Struct):
    name: str
    cluster: dict[str, Any] | None = None
    user: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class _File(msgspec.Struct, rename="kebab"):
    current_context: str | None = None
    clusters: list[_Named] | None = None
    users: list[_Named] | None = None
    contexts: list[_Named] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something with a name, as it stands in a file."""

    path: Path
    where: str
    fields: dict[str, Any]

    def convert(self, kind: type[S]) -> S:
        """The fields as a struct; what is null counts as not given. Raises ConfigError."""
        given = {name: value for name, value in self.fields.items() if value is not None}
        return _convert(given, kind, f"{self.where} in {self.path}")

    def file(self, name: str) -> Path:
        """A path in this entry, relative ones counted from the folder of its kubeconfig."""
        return self.path.parent / name


@dataclass(slots=True)
class Kubeconfig:
    """Several files merged into one."""

    paths: list[Path]
    current: str = ""
    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)
    contexts: dict[str, Entry] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return ":".join(map(str, self.paths))

    def add(self, path: Path, file: _File) -> None:
        """Merge the next file in: what is there already stays."""
        self.current = self.current or file.current_context or ""
        for named in file.clusters or ():
            self.clusters.setdefault(named.name, Entry(path, f"cluster {named.name!r}", named.cluster or {}))
        for named in file.users or ():
            self.users.setdefault(named.name, Entry(path, f"user {named.name!r}", named.user or {}))
        for named in file.contexts or ():
            self.contexts.setdefault(named.name, Entry(path, f"context {named.name!r}", named.context or {}))


def find(explicit: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The kubeconfig files to read; empty if there are none. Raises ConfigError for those named that are missing."""
    if explicit is not None:
        return [_existing(explicit)]
    if names := environ.get("KUBECONFIG", ""):
        paths = [path for name in names.split(":") if name and (path := Path(name).expanduser()).exists()]
        if not paths:
            raise ConfigError(f"KUBECONFIG is {names}, but there is no such file")
        return paths
    home = Path(environ.get("HOME") or "/") / ".kube" / "config"
    return [home] if home.exists() else []


def read(paths: Iterable[Path]) -> Kubeconfig:
    """Read and merge the files. Raises ConfigError."""
    merged = Kubeconfig([])
    for path in paths:
        merged.paths.append(path)
        merged.add(path.absolute(), _convert(_yaml(path), _File, str(path)))
    return merged


def pick(merged: Kubeconfig, context: str | None) -> tuple[Entry, Entry | None]:
    """The cluster and the user (None: anonymous) of a context, the current one unless named. Raises ConfigError."""
    name = context or merged.current
    if not name:
        raise ConfigError(f"no current-context is set in {merged.name}; name a context: {_names(merged.contexts)}")
    entry = _get(merged.contexts, name, "context", merged.name)
    chosen = entry.convert(_Context)
    cluster = _get(merged.clusters, chosen.cluster, f"context {name!r} names cluster", merged.name)
    if not chosen.user:
        return cluster, None
    return cluster, _get(merged.users, chosen.user, f"context {name!r} names user", merged.name)


def content(entry: Entry, data: str, file: str, what: str) -> tuple[bytes, str] | None:
    """The bytes of a field given as base64 `data` or as `file`, data first, and where they came from; None if neither.

    Raises ConfigError.
    """
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True), f"{entry.where} of {entry.path}"
        except binascii.Error as error:
            raise ConfigError(f"the {what} of {entry.where} in {entry.path} is not base64") from error
    if not file:
        return None
    path = entry.file(file)
    return _bytes(path, what), str(path)


def _existing(path: Path) -> Path:
    path = path.expanduser()
    if not path.exists():
        raise ConfigError(f"there is no kubeconfig {path}")
    return path


def _yaml(path: Path) -> Any:
    text = _bytes(path, "kubeconfig")
    try:
        return yaml.load(text, Loader=_Loader) or {}  # noqa: S506 a safe loader
    except yaml.MarkedYAMLError as error:  # its text would quote the file, tokens and all
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{path} is not YAML:{line} {error.problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{path} is not YAML: it holds characters that may not be in it") from None


def _bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {(error.strerror or str(error)).lower()}") from error


def _convert(value: Any, kind: type[S], where: str) -> S:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where} is not a kubeconfig: {error}") from error


def _get(entries: dict[str, Entry], name: str, what: str, where: str) -> Entry:
    if name not in entries:
        raise ConfigError(f"{what} {name!r}, which is not in {where}; there are: {_names(entries)}")
    return entries[name]


def _names(entries: Mapping[str, Entry]) -> str:
    return ", ".join(sorted(entries)) or "none"
