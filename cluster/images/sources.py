"""From what a recipe names to files on this machine: toolchain, Debian packages, the Kubernetes module.

`items` is what `layer.pack` takes. Fetching is slow the first time and a look at files afterwards. Called by `making`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from understudy.cluster.images.debian import Say, package
from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.layer import Item, parents
from understudy.cluster.images.places import Places
from understudy.cluster.images.recipe import (
    Applets,
    Deb,
    Entry,
    File,
    Folder,
    Image,
    Link,
    Source,
    Text,
    Tool,
    Upstream,
)
from understudy.cluster.images.run import run
from understudy.cluster.toolchain import Places as ToolPlaces
from understudy.cluster.toolchain import ensure
from understudy.cluster.toolchain.golang import build_env, find_go
from understudy.cluster.toolchain.pins import MODULES
from understudy.cluster.toolchain.seal import is_intact, seal_path, sha256_of

KUBERNETES_MODULE = "k8s.io/kubernetes"


def tools_of(images: Sequence[Image]) -> list[str]:
    """The programs of the toolchain that `images` hold."""
    files = [entry.source for image in images for entry in image.entries if isinstance(entry, File)]
    return list(dict.fromkeys(source.name for source in files if isinstance(source, Tool)))


class Sources:
    """Fetches each source once. Raises ImageError and ToolchainError."""

    def __init__(self, places: Places, say: Say) -> None:
        self._places, self._say = places, say
        self._digests: dict[Path, str] = {}
        self._module: Path | None = None

    def items(self, image: Image) -> list[Item]:
        """Everything that `image` adds to what it stands on."""
        found = [item for entry in image.entries for item in self._items(entry)]
        return found if image.packages else [*parents(found), *found]

    def _items(self, entry: Entry) -> Iterator[Item]:
        match entry:
            case File(path, source, mode):
                file = self.path(source)
                yield Item(path, mode, file=file, digest=self._digest(file))
            case Text(path, text, mode):
                yield Item(path, mode, text=text.encode())
            case Link(path, target):
                yield Item(path, 0o777, link=target)
            case Folder(path, mode):
                yield Item(path, mode)
            case Applets(folder, busybox, other):
                for name in sorted({*run([str(self.path(busybox)), "--list"])} - {*other}):
                    yield Item(f"{folder}/{name}", 0o777, link="busybox")

    def path(self, source: Source) -> Path:
        """Where the file is on this machine."""
        match source:
            case Tool(name):
                return ensure([name])[name]
            case Deb(name, member):
                path = package(name, self._places, self._say) / member
            case Upstream(inside):
                path = self._kubernetes() / inside
        if not path.is_file():
            raise ImageError(f"{source} has no such file: {path}. Remove {self._places.root} and try again.")
        return path

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            sealed = seal_path(path).exists() and is_intact(path)
            self._digests[path] = seal_path(path).read_text().split()[-2] if sealed else sha256_of(path)
        return self._digests[path]

    def _kubernetes(self) -> Path:
        """The folder of the Kubernetes module in Go's module cache."""
        if self._module is None:
            folder, places = MODULES / "kubernetes", ToolPlaces.of_user()
            go = find_go(folder, places, self._say)
            ask = [str(go.path), "list", "-m", "-mod=readonly", "-f", "{{.Dir}}", KUBERNETES_MODULE]
            said = run(ask, cwd=folder, env=build_env(places))
            self._module = Path(said[-1]) if said and said[-1] else None
        if self._module is None:
            raise ImageError("the Kubernetes module is not in Go's module cache: `understudy toolchain build kubelet`")
        return self._module
