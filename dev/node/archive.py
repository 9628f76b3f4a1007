"""Images from a folder, as one OCI archive that `ctr images import` takes: no registry, no daemon.

https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_VENDOR = "application/vnd.oci.image"
_NOT_OURS = ("dev", "proc", "sys", "run", "tmp")
"""Folders whose content the runtime makes."""


@dataclass(frozen=True)
class Image:
    """A name with its tag, and what a container of it runs."""

    name: str
    command: tuple[str, ...]


def pack(tree: Path, images: Iterable[Image], target: Path, *, architecture: str) -> dict[str, str]:
    """Write the archive: the images share one layer, the tree. Return the digest of each by its name.

    `architecture` is named as Go does, such as `amd64`.
    """
    layer = target.with_name(f".{target.name}.layer")
    try:
        _write_layer(tree, layer)
        with layer.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        with tarfile.open(target, "w") as tar:
            tar.add(layer, _blob(digest))
            descriptor = {"mediaType": f"{_VENDOR}.layer.v1.tar", "digest": digest, "size": layer.stat().st_size}
            manifests = [_add_image(tar, image, descriptor, architecture) for image in images]
            _add(tar, "index.json", {"schemaVersion": 2, "manifests": manifests})
            _add(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
    finally:
        layer.unlink(missing_ok=True)
    return {one["annotations"]["io.containerd.image.name"]: one["digest"] for one in manifests}


def _write_layer(tree: Path, layer: Path) -> None:
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(tree, ".", filter=_kept)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    return None if len(parts) > 1 and parts[0] in _NOT_OURS else entry


def _add_image(tar: tarfile.TarFile, image: Image, layer: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], "Cmd": list(image.command)},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_VENDOR}.manifest.v1+json",
        "config": _add_blob(tar, config, f"{_VENDOR}.config.v1+json"),
        "layers": [layer],
    }
    annotations = {"io.containerd.image.name": image.name}
    return {**_add_blob(tar, manifest, manifest["mediaType"]), "annotations": annotations}


def _add_blob(tar: tarfile.TarFile, content: Mapping[str, Any], media_type: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(_encoded(content)).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": _add(tar, _blob(digest), content)}


def _add(tar: tarfile.TarFile, name: str, content: Mapping[str, Any]) -> int:
    body = _encoded(content)
    entry = tarfile.TarInfo(name)
    entry.size = len(body)
    tar.addfile(entry, io.BytesIO(body))
    return len(body)


def _encoded(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
