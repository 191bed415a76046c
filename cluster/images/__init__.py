"""Stand-in images, made from the toolchain and Debian packages where no registry can be reached.

`build` loads them into an engine, `save` writes an archive, `make` gives them with their digests; `ImageError` carries
a text for the user. Which there are: `table`.
"""

from understudy.cluster.images.archive import Made
from understudy.cluster.images.engine import Engine
from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.making import archived, assemble, build, make, save
from understudy.cluster.images.places import Places
from understudy.cluster.images.table import CONTROL_PLANE, IMAGES, SUITE

__all__ = [
    "CONTROL_PLANE",
    "IMAGES",
    "SUITE",
    "Engine",
    "ImageError",
    "Made",
    "Places",
    "archived",
    "assemble",
    "build",
    "make",
    "save",
]
