"""Checkpoints: a trained network with its manifest, in one file that holds no code.

Whoever trains writes one with `write_checkpoint`; ``train/`` does. The file holds the network
twice: as weights, to train on from, and as ONNX, so that it is built without the code that
defines it. What PyTorch itself answered to a few inputs is kept for the parity check.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.atomic_file import write_atomically
from pyengine.inputs.module import export_module, run_module
from pyengine.inputs.onnx import onnx_source
from pyengine.inputs.source import (
    Array,
    InputKind,
    Source,
    SourceKeywords,
    check_shape,
    is_path,
    parity_samples,
    require,
)
from pyengine.inputs.torch_file import archive_names

_MARK = "pyengine-checkpoint"
_VERSION = 3
_WITHOUT_ONNX = 2  # an earlier version, whose weights can still be read


@dataclass(frozen=True)
class CheckpointContent:
    """What a checkpoint file holds.

    Attributes
    ----------
    network : dict
        The network's shape as plain values; only who wrote it knows their meaning.
    weights : dict of torch.Tensor
        The module's ``state_dict``.
    manifest : dict
        What `build` writes into the engine: task, classes, input, provenance.
    config : dict
        The whole training configuration, as plain values.
    sample_shape : tuple of int
        (1, C, H, W): the size of `onnx`.
    onnx : bytes
        The network; empty in files of an earlier version.
    answers : list of ndarray of float32
        The module's output for each of ``parity_samples(sample_shape)``, or the first of them.
    """

    network: dict[str, Any]
    weights: dict[str, Any]
    manifest: dict[str, Any]
    config: dict[str, Any]
    sample_shape: tuple[int, ...] = ()
    onnx: bytes = b""
    answers: tuple[npt.NDArray[np.float32], ...] = ()


class Checkpoint(InputKind):
    """A file of `write_checkpoint`."""

    title = "a path to a checkpoint"
    file_title = "checkpoint of train/"

    def takes(self, source: Any) -> bool:
        return is_path(source) and _bears_mark(Path(source))

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        import onnx

        content = read_checkpoint(source)
        if not content.onnx:
            raise ValueError(
                f"{source}: a checkpoint of version {_WITHOUT_ONNX}, which does not hold its "
                "network; write it anew with 'python -m train.checkpoint OLD NEW' in pyengine's "
                "sources"
            )
        shape = check_shape(sample_shape or content.sample_shape)
        if shape != content.sample_shape:
            raise ValueError(
                f"{source}: sample_shape {shape} is not {content.sample_shape}, the size that the "
                "network was written for; leave it out"
            )
        loaded = onnx_source(onnx.load_from_string(content.onnx), shape, Path(source).name)
        loaded.manifest = content.manifest
        loaded.any_size = True  # its ONNX holds one size, the module that was trained none
        samples, by_onnx = parity_samples(shape), loaded.run

        def run(x: Array) -> Array | list[Array]:
            for sample, answer in zip(samples, content.answers, strict=False):
                if np.array_equal(x, sample):
                    return answer
            return by_onnx(x)

        loaded.run = run
        return loaded


def _bears_mark(path: Path) -> bool:
    """Whether a file is a checkpoint by the text in its pickle, which is not run."""
    if "data.pkl" not in archive_names(path):
        return False
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        return _MARK.encode() in archive.read(name)


def write_checkpoint(
    path: Path,
    module: Any,
    sample_shape: tuple[int, ...],
    *,
    network: dict[str, Any],
    manifest: dict[str, Any],
    config: dict[str, Any],
) -> None:
    """Write a checkpoint; a file of that name survives a failure.

    Parameters
    ----------
    path : Path
        Destination; ``torch.load(weights_only=True)`` can read it.
    module : torch.nn.Module
        On the CPU.
    sample_shape : tuple of int
        (1, C, H, W), a size that the network accepts.
    network, manifest, config
        As in `CheckpointContent`.
    """
    import torch

    onnx = export_module(module, sample_shape)
    content = {
        "format": _MARK,
        "version": _VERSION,
        "network": network,
        "weights": module.state_dict(),
        "manifest": manifest,
        "config": config,
        "sample_shape": sample_shape,
        "onnx": torch.frombuffer(bytearray(onnx), dtype=torch.uint8),
        "answers": [
            torch.from_numpy(run_module(module, sample)) for sample in parity_samples(sample_shape)
        ],
    }
    # By way of memory: torch's own file writer tells a full disk in words of its internals.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def read_checkpoint(path: str | Path) -> CheckpointContent:
    """Read what `write_checkpoint` wrote.

    Raises
    ------
    FileNotFoundError
        No such file.
    ImportError
        PyTorch is missing.
    ValueError
        The file is not a checkpoint, or of another version.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    require("torch", "train")
    import torch

    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # PyTorch's own words take many lines, and advise to run the code that a file may hold.
        raise ValueError(f"{path}: not a checkpoint of train/ (PyTorch cannot read it)") from error
    if not isinstance(data, dict) or data.get("format") != _MARK:
        raise ValueError(f"{path}: not a checkpoint of train/ (no {_MARK} mark)")
    if data["version"] not in (_WITHOUT_ONNX, _VERSION):
        raise ValueError(
            f"{path}: checkpoint version {data['version']}, this code reads {_VERSION}"
        )
    fields = {key: data[key] for key in ("network", "weights", "manifest", "config")}
    if data["version"] == _VERSION:
        fields |= {
            "sample_shape": tuple(data["sample_shape"]),
            "onnx": data["onnx"].numpy().tobytes(),
            "answers": tuple(answer.numpy() for answer in data["answers"]),
        }
    return CheckpointContent(**fields)
