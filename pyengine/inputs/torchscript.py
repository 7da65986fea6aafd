"""TorchScript files: networks that PyTorch runs without the code that defines them."""

from __future__ import annotations

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
    """A file of `torch.jit.save`."""

    title = "a path to a TorchScript file"
    file_title = "TorchScript file"

    def takes(self, source: Any) -> bool:
        if not is_path(source):
            return False
        names = archive_names(Path(source))
        return "constants.pkl" in names and any(name.startswith("code/") for name in names)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        return load_torchscript(Path(source), sample_shape)


def load_torchscript(path: Path, sample_shape: tuple[int, ...] | None) -> Source:
    """A TorchScript file as a source.

    Raises
    ------
    ValueError
        PyTorch cannot read it, or cannot write it as ONNX.
    """
    import onnx

    require("torch", "train")
    import torch

    shape = check_shape(sample_shape)
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except RuntimeError as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: PyTorch cannot read this TorchScript file ({why})") from error
    for weight in module.parameters():
        weight.requires_grad_(False)
    try:
        model = onnx.load_from_string(export_module(module, shape))
    except RuntimeError as error:
        why = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: cannot be written as ONNX for {shape} ({why})") from error
    return Source(model, lambda x: run_module(module, x), shape, path.name, any_size=True)
