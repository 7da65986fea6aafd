"""The list of what `build` can read, and what walks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyengine.inputs.checkpoint import Checkpoint
from pyengine.inputs.module import Module
from pyengine.inputs.onnx import Onnx
from pyengine.inputs.source import Array, InputKind, Network, Source, is_path, require

# The first that takes a source loads it; checkpoints take any file.
INPUT_KINDS: list[InputKind] = [Module(), Onnx(), Checkpoint()]


def load_source(source: Any, sample_shape: tuple[int, ...] | None) -> Source:
    """Open whatever `build` was given.

    Parameters
    ----------
    source : torch.nn.Module, path or onnx.ModelProto
        See `INPUT_KINDS`.
    sample_shape : tuple of int, optional
        Needed for modules and for ONNX files with free dimensions.

    Raises
    ------
    ImportError
        Names the extra that brings the missing package.
    FileNotFoundError, TypeError, ValueError
        A source that cannot be used, and why.
    """
    loaded = _kind_of(source).load(source, sample_shape)
    loaded.run = _told(loaded.run, loaded.description)
    return loaded


def _told(run: Network, description: str) -> Network:
    """`run`, its failures in one line: frameworks tell them in many, by classes of their own."""

    def told(x: Array) -> Array | list[Array]:
        try:
            return run(x)
        except MemoryError:
            raise
        except Exception as error:
            why = next((line for line in str(error).splitlines() if line), type(error).__name__)
            raise ValueError(
                f"{description}: the source network fails on an input of {x.shape}: {why}"
            ) from error

    return told


def source_files(source: Any) -> list[Path]:
    """All files that `load_source` reads for this source."""
    return _kind_of(source).files(source)


def file_titles() -> str:
    """What files can be built, for help texts."""
    return " or ".join(kind.file_title for kind in INPUT_KINDS if kind.file_title)


def _kind_of(source: Any) -> InputKind:
    require("onnx", "build")
    if is_path(source) and not Path(source).is_file():
        raise FileNotFoundError(f"{source}: no such file")
    for kind in INPUT_KINDS:
        if kind.takes(source):
            return kind
    titles = ", ".join(kind.title for kind in INPUT_KINDS)
    raise TypeError(f"source must be one of {titles}; got {type(source).__name__}")
