"""The live table: replica sets, pods by phase, and what each loop did and why. Pure: state in, rich renderables out."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from understudy.kinds.apps import ReplicaSet
from understudy.kinds.core import Pod
from understudy.values import conditions

REVISION = "deployment.kubernetes.io/revision"
PHASES = ("Pending", "Starting", "Ready", "Terminating")
STYLES = {"Pending": "yellow", "Starting": "cyan", "Ready": "green", "Terminating": "magenta"}
LINES = 12
WIDTH = 112
FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Deed:
    """One step a loop took, as its journal tells it."""

    loop: str
    about: str
    what: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything one picture shows."""

    title: str
    command: str
    seconds: float
    sets: Sequence[ReplicaSet]
    pods: Sequence[Pod]
    deeds: Sequence[Deed]


def draw(scene: Scene) -> RenderableType:
    """The whole picture, top to bottom."""
    head = Text(scene.title, style="bold")
    head.append(f"   {scene.seconds:4.1f}s", style="dim")
    command = Text(f"$ {scene.command}", style="bold blue")
    return Group(
        head, command, Text(), _sets(scene.sets, scene.pods), Text(), phases(scene.pods), Text(), _deeds(scene.deeds)
    )


def is_telling(scene: Scene) -> bool:
    """Whether the picture shows the update half way: two replica sets with ready pods, and pods on their way."""
    if "set image" not in scene.command:
        return False
    ready = [one for one in scene.sets if one.status.readyReplicas > 2]
    return len(ready) > 1 and any(phase_of(pod) != "Ready" for pod in scene.pods)


def save(scene: Scene, path: Path) -> None:
    """Write the picture as SVG, in whatever monospaced font its reader has: a picture should fetch nothing."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(draw(scene))
    path.write_text(FONT_FACE.sub("", console.export_svg(title="understudy demo")))


def phase_of(pod: Pod) -> str:
    """Pending (no node yet or not started), Starting (runs, not ready), Ready, Terminating."""
    if pod.deleting:
        return "Terminating"
    if pod.status.phase != "Running":
        return "Pending"
    return "Ready" if conditions.is_true(pod.status.conditions, "Ready") else "Starting"


def phases(pods: Iterable[Pod]) -> Text:
    """`pods   2 Pending   8 Ready`: one line."""
    counts = Counter(phase_of(pod) for pod in pods)
    line = Text("pods  ", style="bold")
    for phase in PHASES:
        line.append(f"  {counts[phase]:>3} {phase}", style=STYLES[phase] if counts[phase] else "dim")
    return line


def _sets(sets: Sequence[ReplicaSet], pods: Sequence[Pod]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("REPLICA SET", min_width=16)
    for column in ("REVISION", "IMAGE", "WANTED", "PODS", "READY"):
        table.add_column(column, justify="left" if column == "IMAGE" else "right")
    table.add_column("", min_width=13)
    by_owner = _by_owner(pods)
    for one in sorted(sets, key=lambda one: int(one.metadata.annotations.get(REVISION, "0"))):
        own = by_owner.get(one.uid, [])
        numbers = (one.spec.replicas, one.status.replicas, one.status.readyReplicas)
        revision = one.metadata.annotations.get(REVISION, "")
        table.add_row(one.name, revision, Text(_image(one)), *map(str, numbers), _bar(own))
    return table


def _by_owner(pods: Sequence[Pod]) -> Mapping[str, list[Pod]]:
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        for reference in pod.metadata.ownerReferences:
            found.setdefault(reference.uid, []).append(pod)
    return found


def _bar(pods: Sequence[Pod]) -> Text:
    """One block a pod, coloured by phase."""
    bar = Text()
    for phase in ("Ready", "Starting", "Pending", "Terminating"):
        count = sum(phase_of(pod) == phase for pod in pods)
        bar.append("■" * count, style=STYLES[phase])
    return bar


def _image(one: ReplicaSet) -> str:
    containers = one.spec.template.get("spec", {}).get("containers") or [{}]
    return str(containers[0].get("image", "")).rpartition("/")[2]


def _deeds(deeds: Sequence[Deed]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("LOOP", min_width=17, no_wrap=True)
    table.add_column("OBJECT", min_width=14, no_wrap=True)
    table.add_column("WHAT IT DID, AND WHY", no_wrap=True, overflow="ellipsis")
    for deed in deeds[-LINES:]:
        table.add_row(Text(deed.loop, style="cyan"), Text(deed.about), Text(deed.what))  # Text: no markup is read
    for _ in range(LINES - len(deeds)):
        table.add_row("", "", "")
    return table
