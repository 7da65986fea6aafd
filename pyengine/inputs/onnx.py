"""ONNX models, in memory or in files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyengine.inputs.plain import prepare
from pyengine.inputs.source import (
    Array,
    InputKind,
    Network,
    Source,
    SourceKeywords,
    check_shape,
    is_path,
)
from pyengine.onnx_network import open_session
from pyengine.onnx_nodes import check_axes, check_no_cycle

if TYPE_CHECKING:
    import onnx


class Onnx(InputKind):
    """A model, or a file whose suffix is ``.onnx``, its weights in it or beside it."""

    title = "a path to an .onnx file, an onnx.ModelProto"
    file_title = ".onnx file"

    def takes(self, source: Any) -> bool:
        import onnx

        return _is_file(source) or isinstance(source, onnx.ModelProto)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        import onnx

        if not _is_file(source):
            return onnx_source(source, sample_shape, "ONNX model")
        try:
            model = onnx.load(source)
        except Exception as error:
            raise ValueError(f"{source}: not a readable ONNX file ({error})") from error
        return onnx_source(model, sample_shape, Path(source).name)

    def files(self, source: Any) -> list[Path]:
        return [Path(source), *_external_data(Path(source))] if _is_file(source) else []


def _is_file(source: Any) -> bool:
    return is_path(source) and Path(source).suffix.lower() == ".onnx"


def _external_data(path: Path) -> list[Path]:
    """Files beside an ONNX file that hold its weights."""
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        return []  # `load` says what is wrong with the file
    tensors = [t for t in model.graph.initializer if uses_external_data(t)]
    return sorted({path.parent / ExternalDataInfo(t).location for t in tensors})


def onnx_source(
    model: onnx.ModelProto, sample_shape: tuple[int, ...] | None, description: str
) -> Source:
    """A model to be built; without `sample_shape`, its input says the size."""
    check_no_cycle(model.graph)
    prepared = prepare(model)
    model = prepared.model
    inputs = image_inputs(model)
    if len(inputs) != 1:
        listed = ", ".join(f"'{i.name}' {_shape_text(i)}" for i in inputs)
        raise ValueError(
            f"{description}: the network takes {len(inputs)} inputs ({listed}), an engine gives it "
            "one image; export it with one input whose channels they are"
        )
    check_axes(inputs[0])
    dims = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if sample_shape is None and len(dims) in (4, 5) and all(dims[1:]):
        sample_shape = (1, *dims[1:])
    shape = check_shape(sample_shape)
    if dims and len(dims) != len(shape):
        raise ValueError(
            f"{description}: the network's input has {len(dims)} axes, the sample shape is {shape}"
        )
    if len(dims) == len(shape) and any(
        fixed not in (0, side) for fixed, side in zip(dims, shape, strict=True)
    ):
        takes = ", ".join(str(n) if n else "any" for n in dims)
        raise ValueError(
            f"{description}: the network's input is fixed to ({takes}), the sample shape is {shape}"
        )
    run = onnx_runner(model, description)
    if len(dims) == len(shape) and all(dims[2:]):
        run = also_at_other_sizes(run, model, shape, description)
    return Source(
        model, run, shape, description, notes=prepared.notes,
        of_any_size=lambda: with_free_size(model),
    )  # fmt: skip


def image_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are not weights."""
    constants = {t.name for t in model.graph.initializer}
    return [i for i in model.graph.input if i.name not in constants]


def _shape_text(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return f"({', '.join(str(d.dim_value or d.dim_param or 'any') for d in dims)})"


def with_free_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, its axes no longer fixed: some then take other sizes, others fail."""
    import onnx

    free = onnx.ModelProto()
    free.CopyFrom(model)
    for value in image_inputs(free):
        dims = value.type.tensor_type.shape.dim
        if len(dims) in (4, 5):
            for axis, name in {0: "n", 2: "d", -2: "h", -1: "w"}.items():
                dims[axis].dim_param = name
    for value in free.graph.output:
        value.type.tensor_type.ClearField("shape")
    del free.graph.value_info[:]
    return free


def also_at_other_sizes(
    run: Network, model: onnx.ModelProto, shape: tuple[int, ...], description: str
) -> Network:
    """`run` at the size of `shape`; at others the ONNX network, its axes no longer fixed."""

    @functools.cache
    def free() -> Network:
        return onnx_runner(with_free_size(model), description)

    return lambda x: run(x) if x.shape[2:] == shape[2:] else free()(x)


def onnx_runner(model: onnx.ModelProto, description: str) -> Network:
    """The ONNX network itself: onnxruntime where installed, else ONNX's reference evaluator."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(model)
        inputs = evaluator.input_names
        return lambda x: _as_float32(evaluator.run(None, {inputs[0]: x}))
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4  # what fails is told by exceptions
    try:
        session = open_session(model.SerializeToString(), quiet)
    except Exception as error:
        raise ValueError(f"{description}: onnxruntime cannot run it: {error}") from error
    name = session.get_inputs()[0].name
    return lambda x: _as_float32(session.run(None, {name: x}))


def _as_float32(results: list[Any]) -> Array | list[Array]:
    arrays = [np.asarray(result, np.float32) for result in results]
    return arrays[0] if len(arrays) == 1 else arrays
