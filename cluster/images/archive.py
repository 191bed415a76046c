"""An image archive that `docker load` and containerd's `ctr images import` both read, written without an engine.

It is an OCI image layout with Docker's manifest.json beside it, as `docker save` itself writes. Layers that images
share are in it once. Called by `making`. Answers to image-layout.md, config.md and manifest.md of the OCI image
specification 1.1 and to Docker's image specification 1.2.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.cluster.images.layer import Layer
from understudy.cluster.images.recipe import Image

ARCHITECTURES: Mapping[str, str] = {"x86_64": "amd64", "aarch64": "arm64"}
LABEL = "dev.understudy.stand-in"
"""Set on each of our images, so that nobody takes one for upstream's."""
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Made:
    """An image with its layers at hand."""

    image: Image
    layers: tuple[Layer, ...]

    @property
    def config(self) -> bytes:
        """The image's configuration; its SHA-256 is Docker's image id."""
        return config_of(self.image, self.layers)

    @property
    def manifest(self) -> bytes:
        """The OCI manifest; its SHA-256 is what containerd calls the image's digest."""
        return manifest_of(self.config, self.layers)

    @property
    def digest(self) -> str:
        """As containerd lists it, `sha256:…`."""
        return f"sha256:{_sha256(self.manifest)}"

    @property
    def id(self) -> str:
        """As Docker lists it, `sha256:…`."""
        return f"sha256:{_sha256(self.config)}"


def architecture() -> str:
    """Go's name for this machine's processor."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def config_of(image: Image, layers: Sequence[Layer]) -> bytes:
    """The image configuration as canonical JSON."""
    config: dict[str, Any] = {"Env": list(image.env), "Labels": {LABEL: image.name}, "WorkingDir": image.workdir}
    if image.entrypoint:
        config["Entrypoint"] = list(image.entrypoint)
    if image.cmd:
        config["Cmd"] = list(image.cmd)
    return _json(
        {
            "architecture": architecture(),
            "config": config,
            "created": _EPOCH,
            "history": [{"created": _EPOCH, "created_by": image.name} for _ in layers],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        }
    )


def manifest_of(config: bytes, layers: Iterable[Layer]) -> bytes:
    """The OCI manifest as canonical JSON."""
    parts = [{"mediaType": _LAYER, "digest": f"sha256:{each.digest}", "size": each.size} for each in layers]
    return _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(_CONFIG, config), "layers": parts})


def index_of(images: Iterable[Made]) -> bytes:
    """The layout's index.json: one descriptor for each name."""
    manifests = [
        {**_descriptor(_MANIFEST, made.manifest), "annotations": {"io.containerd.image.name": tag}}
        for made in images
        for tag in made.image.tags
    ]
    return _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests})


def docker_manifest_of(images: Iterable[Made]) -> bytes:
    """Docker's own manifest.json."""
    return _json(
        [
            {
                "Config": _blob(made.id.removeprefix("sha256:")),
                "RepoTags": list(made.image.tags),
                "Layers": [_blob(layer.digest) for layer in made.layers],
            }
            for made in images
        ]
    )


def write(images: Sequence[Made], path: Path) -> None:
    """Write all `images` into one archive. Raises OSError."""
    layers = {layer.digest: layer for made in images for layer in made.layers}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in _documents(images):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for digest, layer in sorted(layers.items()):
            info = tarfile.TarInfo(_blob(digest))
            info.size = layer.size
            with layer.path.open("rb") as file:
                tar.addfile(info, file)


def _documents(images: Sequence[Made]) -> Iterator[tuple[str, bytes]]:
    yield "oci-layout", _json({"imageLayoutVersion": "1.0.0"})
    yield "index.json", index_of(images)
    yield "manifest.json", docker_manifest_of(images)
    for content in sorted({document for made in images for document in (made.config, made.manifest)}):
        yield _blob(_sha256(content)), content


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{_sha256(content)}", "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
