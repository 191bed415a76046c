"""Small layers and images for the tests of cluster/images."""

import tarfile
from pathlib import Path

from understudy.cluster.images.archive import Made
from understudy.cluster.images.layer import Item, pack
from understudy.cluster.images.recipe import Image


def content(archive: Path, name: str) -> bytes:
    """What the file `name` of a tar file holds."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def made(folder: Path, name: str, *texts: str) -> Made:
    """An image with a layer for each text, called `r/<name>:1` and `r/<name>:2`."""
    layers = tuple(pack([Item("text", 0o644, text=text.encode())], folder) for text in texts)
    return Made(Image(name, (f"r/{name}:1", f"r/{name}:2"), entrypoint=("/x",), cmd=("y",)), layers)
