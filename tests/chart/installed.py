"""The chart installed on an embedded cluster, and its components run as the service accounts it made.

The cluster's pods are simulated, so what the chart's pods would do is done by processes of ours with those accounts'
tokens: the real API server then says whether their rights are enough.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.chart.rendering import CHART
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.toolchain import ensure

NAMESPACE = "understudy-system"
SECONDS = 120
"""Patience on a busy machine."""


class Installed:
    """A release called `ours`; files lie in `folder`."""

    def __init__(self, cluster: EmbeddedCluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def helm(self, *arguments: str) -> str:
        """What helm prints as the cluster's administrator."""
        command = [str(ensure(["helm"])["helm"]), *arguments, "--namespace", NAMESPACE]
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig())}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=2 * SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def install(self) -> None:
        self.helm("upgrade", "--install", "ours", str(CHART), "--create-namespace", "--set", "nodeAgent.enabled=true")

    def account(self, component: str) -> Path:
        """A kubeconfig with the token of the component's account, as the kubelet would mount it."""
        where = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/understudy-{component}/token"
        with self.cluster.api() as api:
            answer = api.create(where, {"spec": {"expirationSeconds": 3600}})
        assert answer is not None
        config: dict[str, Any] = yaml.safe_load(self.cluster.kubeconfig().read_text())
        for user in config["users"]:
            user["user"] = {"token": answer["status"]["token"]}
        target = self.folder / f"{component}.kubeconfig"
        target.write_text(yaml.safe_dump(config))
        return target

    def log(self, component: str) -> str:
        return (self.folder / f"{component}.log").read_text()

    @contextmanager
    def running(self, component: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """The component as a process, ended afterwards."""
        command = [sys.executable, "-m", "understudy", "run", component, *arguments]
        with (self.folder / f"{component}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--kubeconfig", str(self.account(component)), "--log-format", "text"],
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def hook(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """`python -m COMMAND` with the account of the chart's hooks."""
        environment = {**os.environ, "KUBECONFIG": str(self.account("hooks"))}
        return subprocess.run(
            [sys.executable, "-m", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            check=False,
        )
