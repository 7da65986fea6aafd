"""The list of what `build` can read, and what walks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyengine.inputs.bioimageio import BioimageIo
from pyengine.inputs.checkpoint import Checkpoint
from pyengine.inputs.exported_program import ExportedProgram
from pyengine.inputs.keras import Keras
from pyengine.inputs.module import Module
from pyengine.inputs.monai_bundle import MonaiBundle
from pyengine.inputs.nnunet import NnUnet
from pyengine.inputs.onnx import Onnx
from pyengine.inputs.source import (
    Array,
    InputKind,
    Network,
    Source,
    SourceKeywords,
    is_path,
    require,
)
from pyengine.inputs.torchscript import TorchScript
from pyengine.inputs.unrecognised import what_it_is
from pyengine.inputs.weights import Weights

if TYPE_CHECKING:
    from typing_extensions import Unpack

_WEIGHTS = Weights()
# The first that takes a source loads it; files of weights need to be told what they are for.
INPUT_KINDS: list[InputKind] = [
    TorchScript(), Module(), Onnx(), BioimageIo(), NnUnet(), MonaiBundle(), Keras(),
    ExportedProgram(), Checkpoint(), _WEIGHTS,
]  # fmt: skip


def load_source(
    source: Any, sample_shape: tuple[int, ...] | None, **options: Unpack[SourceKeywords]
) -> Source:
    """Open whatever `build` was given.

    Parameters
    ----------
    source : torch.nn.Module, path or onnx.ModelProto
        See `INPUT_KINDS`.
    sample_shape : tuple of int, optional
        Needed for modules and for ONNX files with free dimensions.
    **options : SourceKeywords
        What only some kinds need; refused for others.

    Raises
    ------
    ImportError
        Names the extra that brings the missing package.
    FileNotFoundError, TypeError, ValueError
        A source that cannot be used, and why.
    """
    kind = _WEIGHTS if "module" in options else _kind_of(source)
    for name in options:
        if name not in kind.keywords:
            others = [k.title for k in INPUT_KINDS if name in k.keywords]
            raise ValueError(f"{name} is for {' or '.join(others)}, and this is {kind.title}")
    loaded = kind.load(source, sample_shape, options)
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
    try:
        kind = _kind_of(source)
    except (TypeError, ValueError):
        kind = _WEIGHTS  # `load_source` says what is wrong, unless it is told more
    return kind.files(source)


def file_titles() -> str:
    """What files can be built, for help texts."""
    *titles, last = [kind.file_title for kind in INPUT_KINDS if kind.file_title]
    return f"{', '.join(titles)} or {last}"


def _kind_of(source: Any) -> InputKind:
    require("onnx", "build")
    if is_path(source) and not Path(source).exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    for kind in INPUT_KINDS:
        if kind.takes(source):
            return kind
    if is_path(source):
        raise ValueError(f"{source}: {what_it_is(Path(source))}")
    titles = ", ".join(kind.title for kind in INPUT_KINDS)
    raise TypeError(f"source must be one of {titles}; got {type(source).__name__}")
