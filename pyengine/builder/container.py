"""The engine file's bytes: a safetensors container; see ``csrc/ENGINE_FORMAT.md``."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.engine_header import MAX_HEADER_BYTES

# Of networks over images, and over volumes.
IMAGE_FORMAT, VOLUME_FORMAT = 1, 2
_ALIGNMENT_BYTES = 64
_DTYPES = {"float32": "F32", "float16": "F16", "uint8": "U8"}


def sha256(data: bytes) -> str:
    """Lower-case hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def array_identity(array: npt.NDArray[Any]) -> tuple[str, tuple[int, ...], str]:
    """Type, shape and hash of the values: the same for equal arrays only."""
    return (str(array.dtype), array.shape, sha256(np.ascontiguousarray(array).tobytes()))


def serialize(
    manifest: dict[str, Any], graph_json: str, tensors: dict[str, npt.NDArray[Any]]
) -> bytes:
    """The bytes of an engine file.

    Parameters
    ----------
    manifest : dict
        Without its ``sha256`` field, which is added here.
    graph_json : str
        The graph.
    tensors : dict of ndarray
        float32 or float16 weights, and uint8 attachments.

    Returns
    -------
    bytes
    """
    # Wider types first: every tensor is aligned to its type, without holes between them.
    order = sorted(tensors, key=lambda n: (-tensors[n].itemsize, n))
    parts = {n: np.ascontiguousarray(tensors[n]).tobytes() for n in order}
    manifest = manifest | {
        "sha256": {
            "graph": sha256(graph_json.encode()),
            "tensors": {n: sha256(parts[n]) for n in order},
        }
    }
    manifest_json = json.dumps(manifest, ensure_ascii=False, separators=(",", ":"))
    header: dict[str, Any] = {
        "__metadata__": {
            "format": "pyengine",
            "format_version": str(VOLUME_FORMAT if over_volumes(graph_json) else IMAGE_FORMAT),
            "manifest": manifest_json,
            "manifest_sha256": sha256(manifest_json.encode()),
            "graph": graph_json,
        }
    }
    at = 0
    for name in order:
        size = len(parts[name])
        header[name] = {
            "dtype": _DTYPES[str(tensors[name].dtype)],
            "shape": list(tensors[name].shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    # Spaces after the header put the first tensor on a cache line for readers that map the file.
    text += b" " * (-(8 + len(text)) % _ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text + b"".join(parts[n] for n in order)


def over_volumes(graph_json: str) -> bool:
    """Whether a graph is over (z, y, x)."""
    return len(json.loads(graph_json)["input"].get("axes", ())) == 3


def is_engine_file(path: Path) -> bool:
    """Whether a file begins as an engine file does; says nothing of its being whole."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return size <= MAX_HEADER_BYTES and b'"format":"pyengine"' in file.read(size)


def refuse_engine_file(source: Any) -> None:
    """Refuse an engine file where its source network is needed; ValueError."""
    is_file = isinstance(source, (str, os.PathLike)) and os.path.isfile(source)
    if is_file and is_engine_file(Path(source)):
        raise ValueError(f"{source}: an engine file, where its source network is needed")


def deserialize(
    data: bytes,
) -> tuple[dict[str, Any], str, dict[str, npt.NDArray[Any]]]:
    """What `serialize` was given; for files that the native core has verified.

    Returns
    -------
    manifest : dict
        Without its ``sha256`` field.
    graph_json : str
    tensors : dict of ndarray
        As stored; views of `data`.
    """
    at = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:at])
    metadata = header.pop("__metadata__")
    manifest = json.loads(metadata["manifest"])
    manifest.pop("sha256")
    names = {short: long for long, short in _DTYPES.items()}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[at + begin : at + end], names[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return manifest, metadata["graph"], tensors
