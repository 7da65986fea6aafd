"""Programs of `torch.export`, in memory or in files."""

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
        import onnx

        require("torch", "train")
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
        module = _module_of(program)
        model = onnx.load_from_string(export_module(module, shape))
        any_size = not any(isinstance(n, int) for n in sizes[2:])
        return Source(model, lambda x: run_module(module, x), shape, description, any_size=any_size)


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


def _module_of(program: Any) -> Any:
    """The program as a module that can be traced."""
    import torch

    class Program(torch.nn.Module):  # type: ignore[misc]
        """Exported programs refuse to change their mode; they are what they were exported as."""

        def __init__(self, body: Any) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: Any) -> Any:
            return self.body(image)

        def train(self, mode: bool = True) -> Any:
            return self

    try:
        body = program.module(check_guards=False)
    except TypeError:  # before PyTorch 2.9 there were none
        body = program.module()
    return Program(body)
