"""What `understudy up --provider kind` shows. Called by `understudy/cli.py`."""

import time

from rich.console import Console

from understudy.cluster.cli import readable_errors
from understudy.cluster.kind.provider import KindCluster
from understudy.cluster.kind.stage import NAMESPACE, Wish
from understudy.cluster.kind.stage import up as stage_up


def up(wish: Wish) -> int:
    """Start everything, with each step on a line of its own. The exit code."""
    console = Console(highlight=False)
    started = time.monotonic()
    with readable_errors():
        cluster = stage_up(wish, lambda text: console.print(f"  {time.monotonic() - started:4.0f} s  {text}"))
    console.print(f"[green]✓[/] cluster [bold]{wish.name}[/] is up after {time.monotonic() - started:.0f} s")
    for line in _next_steps(cluster, wish.loops):
        console.print(f"  {line}", soft_wrap=True)
    return 0


def _next_steps(cluster: KindCluster, loops: bool) -> list[str]:
    kubectl = f"kubectl --kubeconfig {cluster.kubeconfig}"
    if not loops:
        return [f"{kubectl} get nodes    # not ready: there is no pod network yet"]
    return [
        f"understudy status --kubeconfig {cluster.kubeconfig}",
        f"{kubectl} get controlplane",
        f"{kubectl} --namespace {NAMESPACE} get pods",
        f"understudy down --provider kind --name {cluster.name}",
    ]
