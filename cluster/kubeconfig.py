"""Kubeconfig files: a cluster's own, and its entry in the user's ($KUBECONFIG's first file, or
~/.kube/config).

Called by `understudy.cluster.embedded` on up and down. The user's file is edited as a tree of YAML nodes,
never as values: entries that are not ours keep the very text of their scalars (a token of digits stays one; a
date is not rewritten). Answers to client-go's tools/clientcmd, whose lock file it respects.
"""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private

_FRAME = ("apiVersion", "kind")
_LISTS = ("clusters", "contexts", "users")
_LOCK_WAIT = 3.0


def entry_name(cluster: str) -> str:
    """Return what the cluster, its user and their context are called."""
    return f"understudy-{cluster}"


def render(cluster: str, port: int, pki: Path, user: str = "admin") -> dict[str, Any]:
    """Return a kubeconfig that holds the certificates of `user` themselves, so that it can be copied
    elsewhere.
    """
    name = entry_name(cluster)
    credentials = {
        "client-certificate-data": _encoded(pki / f"{user}.crt"),
        "client-key-data": _encoded(pki / f"{user}.key"),
    }
    server = {
        "certificate-authority-data": _encoded(pki / "ca.crt"),
        "server": f"https://127.0.0.1:{port}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": credentials}],
    }


def write(path: Path, config: dict[str, Any]) -> None:
    """Write a kubeconfig of our own."""
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


def user_file() -> Path:
    """Return the file that kubectl would change: the first of $KUBECONFIG, or ~/.kube/config."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return Path(named[0]).expanduser() if named else Path.home() / ".kube" / "config"


def check(path: Path) -> None:
    """Raise `ClusterError` if `merge` could not change the file `path`."""
    if tree := _read(path):
        for kind in _LISTS:
            _list(tree, kind, path)


def merge(path: Path, config: dict[str, Any], *, set_context: bool = False) -> None:
    """Put our entries into the file `path`, in place of older ones of the same name.

    The current context is changed only if there is none or `set_context` says so. Raises `ClusterError`, and
    leaves the file as it is, if it is not a kubeconfig.
    """
    with _locked(path):
        tree = _read(path) or _compose({"apiVersion": "v1", "kind": "Config"})
        _drop(tree, config["current-context"])
        for kind in _LISTS:
            _list(tree, kind, path).value.append(_compose(config[kind][0]))
        if set_context or not _scalar(tree, "current-context"):
            _set(tree, "current-context", yaml.ScalarNode("tag:yaml.org,2002:str", config["current-context"]))
        _write(path, tree)


def remove(path: Path, cluster: str) -> None:
    """Take our entries out of the file `path` again, and the current context if it is ours.

    A file that says nothing any more is removed, and its folder with it if nothing else is there.
    """
    if not path.exists():
        return
    name = entry_name(cluster)
    with _locked(path):
        tree = _read(path)
        if tree is None:
            return
        _drop(tree, name)
        if _scalar(tree, "current-context") == name:
            tree.value = [pair for pair in tree.value if pair[0].value != "current-context"]
        if _says_nothing(tree) and not path.is_symlink():
            path.unlink()
        else:
            _write(path, tree)
    with suppress(OSError):
        path.parent.rmdir()


def _says_nothing(tree: yaml.MappingNode) -> bool:
    """Whether all that is left is what every kubeconfig has: its kind, and empty lists."""
    return all(key.value in _FRAME or node.value in ("", "null", "~", []) for key, node in tree.value)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file that kubectl too creates while it changes `path`."""
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{path} is locked: another program is changing it; if none is, delete {lock} and try again"
                ) from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _read(path: Path) -> yaml.MappingNode | None:
    """Return the file as nodes, None if it is missing or empty.

    Raises `ClusterError` if it is anything but a mapping.
    """
    try:
        tree = yaml.compose(path.read_text(), yaml.SafeLoader)
    except FileNotFoundError:
        return None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ClusterError(f"{path} is not valid YAML and was left as it is; mend it and try again: {where}") from None
    if tree is not None and not isinstance(tree, yaml.MappingNode):
        raise ClusterError(f"{path} is not a kubeconfig and was left as it is: a mapping was expected")
    return tree


def _write(path: Path, tree: yaml.MappingNode) -> None:
    # Through links: a kubeconfig that is a link to one elsewhere stays one.
    write_private(path.resolve(), yaml.serialize(tree, Dumper=yaml.SafeDumper, allow_unicode=True).encode())


def _compose(value: dict[str, Any]) -> yaml.MappingNode:
    node = yaml.compose(yaml.safe_dump(value, sort_keys=False), yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return node


def _get(tree: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in tree.value if name.value == key), None)


def _set(tree: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    tree.value = [pair for pair in tree.value if pair[0].value != key]
    tree.value.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), value))


def _scalar(tree: yaml.MappingNode, key: str) -> str:
    node = _get(tree, key)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _list(tree: yaml.MappingNode, key: str, path: Path) -> yaml.SequenceNode:
    """Return the list under `key`; a missing one, or null as kubectl writes it, becomes empty."""
    node = _get(tree, key)
    if isinstance(node, yaml.SequenceNode):
        # `[]` is in flow style, in which our entries would be one long line.
        node.flow_style = node.flow_style and bool(node.value)
        return node
    if node is not None and node.value not in ("", "null", "~"):
        raise ClusterError(f"{path} is not a kubeconfig and was left as it is: {key!r} is no list")
    empty = yaml.SequenceNode("tag:yaml.org,2002:seq", [], flow_style=False)
    _set(tree, key, empty)
    return empty


def _drop(tree: yaml.MappingNode, name: str) -> None:
    for kind in _LISTS:
        node = _get(tree, kind)
        if isinstance(node, yaml.SequenceNode):
            node.value = [item for item in node.value if not _named(item, name)]


def _named(item: yaml.Node, name: str) -> bool:
    return isinstance(item, yaml.MappingNode) and _scalar(item, "name") == name
