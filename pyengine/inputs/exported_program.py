"""Programs of `torch.export`, in memory or in files."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyengine.inputs.module import as_module, run_module
from pyengine.inputs.onnx import also_at_other_sizes, image_inputs, with_free_size
from pyengine.inputs.source import (
    InputKind,
    Network,
    Source,
    SourceKeywords,
    check_shape,
    is_path,
    require,
)
from pyengine.inputs.torch_file import archive_names

if TYPE_CHECKING:
    import onnx


class ExportedProgram(InputKind):
    """A `torch.export.ExportedProgram`, or a file of `torch.export.save`."""

    title = "a torch.export program or a path to a .pt2 file"
    file_title = ".pt2 file"

    def takes(self, source: Any) -> bool:
        if is_path(source):
            names = archive_names(Path(source))
            return "archive_format" in names or "serialized_exported_program.json" in names
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(source, torch.export.ExportedProgram)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        require("torch", "torch-export")
        require("onnxscript", "torch-export")
        import torch

        description = Path(source).name if is_path(source) else "torch.export program"
        try:
            program = torch.export.load(source) if is_path(source) else source
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{source}: PyTorch cannot read this program ({why})") from error
        sizes = _input_sizes(program, description)
        if sample_shape is None and all(isinstance(n, int) for n in sizes):
            sample_shape = (1, *sizes[1:])
        shape = check_shape(sample_shape)
        if any(isinstance(n, int) and n != m for n, m in zip(sizes[1:], shape[1:], strict=True)):
            takes = ", ".join(str(n) if isinstance(n, int) else "any" for n in sizes)
            raise ValueError(
                f"{description}: the program's input is fixed to ({takes}), the sample shape is "
                f"{shape}; export it with dynamic_shapes, or leave the shape out"
            )
        model = _as_onnx(program, shape)
        module = _module_of(program)
        run: Network = lambda x: run_module(module, x)  # noqa: E731
        if any(isinstance(n, int) for n in sizes[2:]):
            run = also_at_other_sizes(run, model, shape, description)
        return Source(model, run, shape, description, of_any_size=lambda: with_free_size(model))


def _input_sizes(program: Any, description: str) -> list[Any]:
    """Sizes of the one image that the program takes; whole numbers where they are fixed."""
    named = set(program.graph_signature.user_inputs)
    inputs = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in named]
    if len(inputs) != 1 or len(inputs[0].meta["val"].shape) != 4:
        shapes = ", ".join(str(tuple(n.meta["val"].shape)) for n in inputs)
        raise ValueError(
            f"{description}: the program takes {shapes or 'nothing'}; networks here take one image "
            "(N, C, H, W)"
        )
    return list(inputs[0].meta["val"].shape)


def _as_onnx(program: Any, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The program as ONNX, for one image of the sample's size.

    Only the exporter of programs reads those of free sizes: a trace does not end on them.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(program, dynamo=True, verbose=False)
    model: onnx.ModelProto = exported.model_proto
    for value in image_inputs(model):
        for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
            dim.dim_value = size
    return model


def _module_of(program: Any) -> Any:
    """The program as a module that can be traced."""
    try:
        body = program.module(check_guards=False)
    except TypeError:  # before PyTorch 2.9 there were none
        body = program.module()
    return as_module(body)
