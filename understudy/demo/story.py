"""What happens in the show: apply a web application, roll it out, update it, roll it back; kubectl does the asking.

`understudy up --demo` and `understudy demo` play it against a running embedded cluster.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.demo import board
from understudy.demo.audience import Audience
from understudy.demo.board import Scene
from understudy.kinds.apps import Deployment

NAMESPACE = "default"
NAME = "web"
MANIFEST = Path(__file__).resolve().parent.parent / "manifests" / "web.yaml"
PATIENCE = 120.0


class StageFright(Exception):
    """The show could not go on: a command failed, or the rollout did not finish in time."""


@dataclass(frozen=True, slots=True)
class Act:
    """A title and the kubectl arguments that set it off."""

    title: str
    arguments: Sequence[str]


ACTS = (
    Act("A Deployment of ten replicas and a Service", ("apply", "-f", str(MANIFEST))),
    Act(
        "A rolling update to v2: at most 13 pods, at least 8 ready",
        ("set", "image", "deployment/web", "web=registry.example/web:v2"),
    ),
    Act("The update is taken back", ("rollout", "undo", "deployment/web")),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the show plays: the cluster's kubeconfig, kubectl, the loops' port files; where to leave a picture."""

    kubeconfig: Path
    kubectl: Path
    ports: Path
    picture: Path | None = None


async def play(stage: Stage, console: Console) -> float:
    """Play all acts; answers the seconds they took. Raises StageFright."""
    client = Client(connect(load(stage.kubeconfig, None), size=4))
    started = time.monotonic()
    try:
        async with Audience(client, stage.ports, NAMESPACE) as audience:
            for act in await _acts(stage):
                await _play_act(act, stage, audience, console)
    finally:
        await client.close()
    return time.monotonic() - started


async def _acts(stage: Stage) -> Sequence[Act]:
    """On a cluster that had the show before, the first act is to clear the stage."""
    listed = await _kubectl(stage, ("get", "deployment", NAME, "--ignore-not-found", "-o", "name"))
    if not listed.strip():
        return ACTS
    clear = Act(
        "The stage is cleared: the garbage collector follows the owner references", ("delete", "-f", str(MANIFEST))
    )
    return (clear, *ACTS)


async def _play_act(act: Act, stage: Stage, audience: Audience, console: Console) -> None:
    started = time.monotonic()
    deployment = audience.deployment(NAME)
    before = deployment.metadata.generation if deployment else 0
    command = "kubectl " + " ".join(_short(word) for word in act.arguments)

    def scene() -> Scene:
        return Scene(act.title, command, time.monotonic() - started, audience.sets, audience.pods, audience.deeds)

    if not console.is_terminal:
        console.print(f"{act.title}: {command}", markup=False)
    with Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop") as live:
        doing = asyncio.ensure_future(_kubectl(stage, act.arguments))
        while not (doing.done() and finished(act, audience, before)):
            if console.is_terminal:
                live.update(board.draw(scene()), refresh=True)
            if stage.picture is not None and board.is_telling(scene()):
                board.save(scene(), stage.picture)
            if time.monotonic() - started > PATIENCE:
                raise StageFright(
                    f"{command}: not finished after {PATIENCE:.0f} s; see `understudy explain deployment/web`"
                )
            await asyncio.sleep(0.05)
        await doing
        live.update(board.draw(scene()), refresh=True)
    if not console.is_terminal:
        console.print()


def finished(act: Act, audience: Audience, before: int) -> bool:
    """Whether the act came to its end: all gone after a delete, else a rollout of a newer generation than `before`."""
    deployment = audience.deployment(NAME)
    if act.arguments[0] == "delete":
        return deployment is None and not audience.pods
    if deployment is None or deployment.metadata.generation <= before:
        return False
    return complete(deployment) and len(audience.pods) == deployment.spec.replicas


def complete(deployment: Deployment) -> bool:
    """As `kubectl rollout status` sees it."""
    status, wanted = deployment.status, deployment.spec.replicas
    seen = status.observedGeneration >= deployment.metadata.generation
    return seen and status.updatedReplicas == status.replicas == status.availableReplicas == wanted


def _short(word: str) -> str:
    return "examples/manifests/web.yaml" if word == str(MANIFEST) else word


async def _kubectl(stage: Stage, arguments: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        stage.kubectl,
        "--kubeconfig",
        stage.kubeconfig,
        "--namespace",
        NAMESPACE,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise StageFright(f"kubectl {' '.join(arguments)} failed: {err.decode().strip()}")
    return out.decode()
