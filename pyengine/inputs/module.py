"""PyTorch modules."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.inputs.source import InputKind, Source, check_shape


class Module(InputKind):
    """A `torch.nn.Module` in memory; its training mode is left as it was."""

    title = "a torch.nn.Module"

    def takes(self, source: Any) -> bool:
        torch = sys.modules.get("torch")  # where there is a module, torch has been imported
        return torch is not None and isinstance(source, torch.nn.Module)

    def load(self, source: Any, sample_shape: tuple[int, ...] | None) -> Source:
        import onnx

        shape = check_shape(sample_shape)
        model = onnx.load_from_string(export_module(source, shape))
        name = type(source).__name__
        return Source(model, lambda x: run_module(source, x), shape, name, any_size=True)


def export_module(module: Any, sample_shape: tuple[int, int, int, int]) -> bytes:
    """A module as ONNX, in the form that the importer reads."""
    import torch

    buffer = io.BytesIO()
    with evaluating(module), warnings.catch_warnings():
        # The tracing exporter is deprecated but needs no further package and writes batch
        # norm, Resize and Slice in the plain form that the importer reads.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.zeros(sample_shape),), buffer, dynamo=False, opset_version=17,
            input_names=["image"], output_names=["output"], do_constant_folding=False,
            training=torch.onnx.TrainingMode.EVAL,
        )  # fmt: skip
    return buffer.getvalue()


def run_module(module: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The module's own answer to (N, C, H, W); of several outputs the first."""
    import torch

    with evaluating(module), torch.inference_mode():
        result = module(torch.from_numpy(x))
    if isinstance(result, (list, tuple)):
        result = result[0]
    return np.asarray(result.detach().numpy(), np.float32)


@contextlib.contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Evaluation mode; afterwards every part of the module is in the mode that it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
