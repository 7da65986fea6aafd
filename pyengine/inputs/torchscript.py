"""TorchScript files: networks that PyTorch runs without the code that defines them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyengine.inputs.module import export_module, run_module
from pyengine.inputs.source import (
    InputKind,
    Source,
    SourceKeywords,
    check_shape,
    is_path,
    require,
)
from pyengine.inputs.torch_file import archive_names


class TorchScript(InputKind):
    """A `torch.jit.ScriptModule`, or a file of `torch.jit.save`."""

    title = "a TorchScript module or a path to one"
    file_title = "TorchScript file"

    def takes(self, source: Any) -> bool:
        if not is_path(source):
            torch = sys.modules.get("torch")
            return torch is not None and isinstance(source, torch.jit.ScriptModule)
        names = archive_names(Path(source))
        return "constants.pkl" in names and any(name.startswith("code/") for name in names)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        if is_path(source):
            return load_torchscript(Path(source), sample_shape)
        return _script_source(source, type(source).__name__, sample_shape)


def load_torchscript(path: Path, sample_shape: tuple[int, ...] | None) -> Source:
    """A TorchScript file as a source.

    Raises
    ------
    ValueError
        PyTorch cannot read it, or cannot write it as ONNX.
    """
    require("torch", "train")
    import torch

    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: PyTorch cannot read this TorchScript file ({why})") from error
    for weight in module.parameters():
        weight.requires_grad_(False)
    return _script_source(module, path.name, sample_shape)


def _script_source(script: Any, name: str, sample_shape: tuple[int, ...] | None) -> Source:
    import onnx

    shape = check_shape(sample_shape)
    try:
        model = onnx.load_from_string(export_module(script, shape))
        free = export_module(script, shape, any_size=True)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(f"{name}: cannot be written as ONNX for {shape} ({why})") from error
    return Source(
        model, lambda x: run_module(script, x), shape, name,
        of_any_size=lambda: onnx.load_from_string(free),
    )  # fmt: skip
