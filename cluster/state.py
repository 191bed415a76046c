"""What one cluster remembers between commands: its ports, versions, simulated nodes and registered
components, in `config.json`.

Called by `understudy.cluster.embedded`. Everything here can be found out or chosen again, so a damaged or
missing file costs a restart of the components and loses nothing that is in etcd.
"""

from pathlib import Path

import msgspec

from understudy.cluster.files import write_private


class Config(msgspec.Struct, forbid_unknown_fields=True):
    """The record of one cluster: `components` are the command lines of what runs beside it, in order of their
    start, `kwok_starts` counts kwok's starts (each has a pod network of its own), `merged_into` is the user's
    kubeconfig.
    """

    ports: dict[str, int] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    apiserver_args: list[str] = msgspec.field(default_factory=list)
    components: dict[str, list[str]] = msgspec.field(default_factory=dict)
    nodes: int = 0
    kwok_starts: int = 0
    merged_into: str = ""


def load(path: Path) -> Config | None:
    """Read the record, or return None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Config)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def save(path: Path, config: Config) -> None:
    """Write the record, whole or not at all."""
    write_private(path, msgspec.json.format(msgspec.json.encode(config)) + b"\n")
