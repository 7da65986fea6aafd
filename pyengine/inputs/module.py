"""PyTorch modules."""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.inputs.source import Array, InputKind, Source, SourceKeywords, check_shape

if TYPE_CHECKING:
    import torch


class Module(InputKind):
    """A `torch.nn.Module` in memory; its training mode is left as it was."""

    title = "a torch.nn.Module"

    def takes(self, source: Any) -> bool:
        torch = sys.modules.get("torch")  # where there is a module, torch has been imported
        return torch is not None and isinstance(source, torch.nn.Module)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        import onnx

        shape = check_shape(sample_shape)
        name = type(source).__name__
        _refuse_several_inputs(source, name)
        doubts: list[str] = []
        model = onnx.load_from_string(export_module(source, shape, doubts=doubts))
        if doubts and not depends_on_values(source, shape):
            doubts = []  # decisions on sizes: another size is compared anyway
        return Source(
            model, lambda x: run_module(source, x), shape, name, doubts=tuple(doubts),
            of_any_size=lambda: onnx.load_from_string(export_module(source, shape, any_size=True)),
        )  # fmt: skip


def _refuse_several_inputs(module: torch.nn.Module, name: str) -> None:
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return
    needed = [p.name for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
    if len(needed) > 1:
        raise ValueError(
            f"{name}: the network takes {len(needed)} inputs ({', '.join(needed)}), an engine gives "
            "it one image; wrap it in a module that takes them as channels of one image"
        )


def export_module(
    module: torch.nn.Module,
    sample_shape: tuple[int, ...],
    *,
    any_size: bool = False,
    doubts: list[str] | None = None,
) -> bytes:
    """A module as ONNX, in the form that the importer reads.

    Parameters
    ----------
    module : torch.nn.Module
        Of one output or several; those of tuples and lists are called output0, output1 and so on,
        those of dicts by their keys.
    sample_shape : tuple of int
        (1, C, H, W)
    any_size : bool
        Leave number, height and width of the images free.
    doubts : list of str, optional
        Takes up what the tracer warns of.
    """
    import torch

    buffer = io.BytesIO()
    free = {0: "n", 2: "h", 3: "w"} if len(sample_shape) == 4 else {0: "n", 2: "d", 3: "h", 4: "w"}
    with evaluating(module), warnings.catch_warnings(record=True) as told, _flat(module) as names:
        # The tracing exporter is deprecated but needs no further package and writes batch
        # norm, Resize and Slice in the plain form that the importer reads.
        warnings.simplefilter("always")
        torch.onnx.export(
            module, (torch.zeros(sample_shape),), buffer, dynamo=False, opset_version=17,
            input_names=["image"], output_names=[_ONLY], do_constant_folding=False,
            training=torch.onnx.TrainingMode.EVAL,
            dynamic_axes={"image": free} if any_size else None,
        )  # fmt: skip
    if doubts is not None:
        tracer = [w for w in told if issubclass(w.category, torch.jit.TracerWarning)]
        lines = [f"{w.filename}:{w.lineno}: {' '.join(str(w.message).split())}" for w in tracer]
        doubts += dict.fromkeys(lines)
    return buffer.getvalue() if names == [_ONLY] else _renamed(buffer.getvalue(), names)


_ONLY = "output"


@contextlib.contextmanager
def _flat(module: torch.nn.Module) -> Iterator[list[str]]:
    """While it lasts, the module returns one tensor or a tuple; the names are there after a call."""
    import torch

    names = [_ONLY]
    if isinstance(module, torch.jit.ScriptModule):  # they take no hooks: one result, then
        yield names
        return

    def flatten(_module: Any, _inputs: Any, result: Any) -> tuple[torch.Tensor, ...] | None:
        found = outputs_of(result)
        names[:] = found
        return None if isinstance(result, torch.Tensor) else tuple(found.values())

    handle = module.register_forward_hook(flatten)
    try:
        yield names
    finally:
        handle.remove()


def _renamed(model: bytes, names: list[str]) -> bytes:
    """The ONNX network with other names of its outputs."""
    import onnx

    network = onnx.load_from_string(model)
    new = {value.name: name for value, name in zip(network.graph.output, names, strict=True)}
    for node in network.graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [new.get(name, name) for name in tensors]
    for value in network.graph.output:
        value.name = new[value.name]
    renamed: bytes = network.SerializeToString()
    return renamed


def outputs_of(result: Any, name: str = "") -> dict[str, torch.Tensor]:
    """All tensors of what a module returns, by name: of a dict its keys, of a list its numbers."""
    import torch

    if isinstance(result, torch.Tensor):
        return {name or _ONLY: result}
    if isinstance(result, Mapping):
        named = [(f"{name}.{key}" if name else str(key), value) for key, value in result.items()]
    elif isinstance(result, Sequence) and not isinstance(result, str):
        named = [(f"{name or _ONLY}{i}", value) for i, value in enumerate(result)]
    else:
        named = []  # None, and what is no tensor
    found: dict[str, torch.Tensor] = {}
    for key, value in named:
        found |= outputs_of(value, key)
    return found


def as_module(body: Any) -> torch.nn.Module:
    """What takes and returns tensors, as a module that stays in its mode.

    Programs refuse to change theirs.
    """
    import torch

    class Wrapped(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, image: torch.Tensor) -> Any:
            return self.body(image)

        def train(self, mode: bool = True) -> torch.nn.Module:
            return self

    return Wrapped()


def depends_on_values(module: torch.nn.Module, sample_shape: tuple[int, ...]) -> bool:
    """Whether a module decides by the values of pixels, which a trace does not follow.

    It runs on tensors that have sizes but no values. What fails on them counts as dependent.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with warnings.catch_warnings(), evaluating(module), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                module(mode.from_tensor(torch.zeros(sample_shape)))
        except Exception:
            return True
    return False


def run_module(module: torch.nn.Module, x: Array) -> Array | list[Array]:
    """The module's own answer to (N, C, H, W); a list where it has several outputs."""
    import torch

    with evaluating(module), torch.inference_mode():
        results = outputs_of(module(torch.from_numpy(x)))
    arrays = [np.asarray(r.detach().numpy(), np.float32) for r in results.values()]
    return arrays[0] if len(arrays) == 1 else arrays


@contextlib.contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every part of the module is in the mode that it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            if part.training != mode:
                part.training = mode
