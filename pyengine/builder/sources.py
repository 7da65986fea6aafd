"""What can be built: modules, checkpoints and ONNX files, all reduced to ONNX and a callable."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass
class Source:
    """A network to be built.

    Attributes
    ----------
    model : onnx.ModelProto
        The network as ONNX.
    run : callable
        The source network itself on (N, C, H, W) float32, for the parity check.
    sample_shape : tuple of int
        (1, C, H, W)
    manifest : dict
        Fields that the source brings along (checkpoints do).
    description : str
        For provenance.
    any_size : bool
        Whether `run` takes other sizes than that of the sample.
    """

    model: onnx.ModelProto
    run: Network
    sample_shape: tuple[int, int, int, int]
    description: str
    manifest: dict[str, Any] = field(default_factory=dict)
    any_size: bool = False


def load_source(source: Any, sample_shape: tuple[int, ...] | None) -> Source:
    """Open whatever `build` was given.

    Parameters
    ----------
    source : torch.nn.Module, path or onnx.ModelProto
        A path ends in ``.onnx``, or is a checkpoint of ``train/``.
    sample_shape : tuple of int, optional
        Needed for modules and for ONNX files with free dimensions.

    Raises
    ------
    ImportError
        Names the extra that brings the missing package.
    FileNotFoundError, TypeError, ValueError
        A source that cannot be used, and why.
    """
    require("onnx", "build")
    import onnx

    if isinstance(source, onnx.ModelProto):
        return _onnx_source(source, sample_shape, "ONNX model")
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        if path.suffix == ".onnx":
            try:
                model = onnx.load(path)
            except Exception as error:
                raise ValueError(f"{path}: not a readable ONNX file ({error})") from error
            return _onnx_source(model, sample_shape, path.name)
        return _checkpoint_source(path, sample_shape)
    require("torch", "train")
    import torch

    if isinstance(source, torch.nn.Module):
        return _module_source(source, sample_shape, type(source).__name__)
    raise TypeError(
        "source must be a torch.nn.Module, a path to an .onnx file or a checkpoint, or an "
        f"onnx.ModelProto; got {type(source).__name__}"
    )


def source_files(source: Any) -> list[Path]:
    """All files that `load_source` reads for this source."""
    if not isinstance(source, (str, os.PathLike)) or not Path(source).is_file():
        return []
    path = Path(source)
    return [path, *(_external_data(path) if path.suffix == ".onnx" else [])]


def _external_data(path: Path) -> list[Path]:
    """Files beside an ONNX file that hold its weights."""
    require("onnx", "build")
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        return []  # `load_source` says what is wrong with the file
    tensors = [t for t in model.graph.initializer if uses_external_data(t)]
    return sorted({path.parent / ExternalDataInfo(t).location for t in tensors})


def require(module: str, extra: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise ImportError(
            f"building this source needs '{module}'; install it with "
            f'pip install "pyengine[{extra}]"'
        ) from error


def _check_shape(shape: tuple[int, ...] | None) -> tuple[int, int, int, int]:
    if shape is None:
        raise ValueError("sample_shape=(1, C, H, W) is needed for this source")
    if len(shape) != 4 or shape[0] != 1 or any(int(n) != n or n < 1 for n in shape):
        raise ValueError(f"sample_shape must be (1, C, H, W) with positive sizes, got {shape}")
    return (1, int(shape[1]), int(shape[2]), int(shape[3]))


def _onnx_source(
    model: onnx.ModelProto, sample_shape: tuple[int, ...] | None, description: str
) -> Source:
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if sample_shape is None and len(inputs) == 1:
        dims = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
        if len(dims) == 4 and all(dims[1:]):
            sample_shape = (1, *dims[1:])
    return Source(model, _onnx_runner(model), _check_shape(sample_shape), description)


def _onnx_runner(model: onnx.ModelProto) -> Network:
    """The ONNX network itself: onnxruntime where installed, else ONNX's reference evaluator."""
    try:
        import onnxruntime

        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        return lambda x: np.asarray(session.run(None, {name: x})[0], np.float32)
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(model)
        inputs = evaluator.input_names
        return lambda x: np.asarray(evaluator.run(None, {inputs[0]: x})[0], np.float32)


def _module_source(module: Any, sample_shape: tuple[int, ...] | None, description: str) -> Source:
    import torch

    shape = _check_shape(sample_shape)
    was_training = {m: m.training for m in module.modules()}
    module.eval()
    try:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # The tracing exporter is deprecated but needs no further package and writes batch
            # norm, Resize and Slice in the plain form that the importer reads.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module, (torch.zeros(shape),), buffer, dynamo=False, opset_version=17,
                input_names=["image"], output_names=["output"], do_constant_folding=False,
                training=torch.onnx.TrainingMode.EVAL,
            )  # fmt: skip
    finally:
        for m, mode in was_training.items():
            m.training = mode
    import onnx

    def run(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        modes = {m: m.training for m in module.modules()}
        module.eval()
        try:
            with torch.inference_mode():
                result = module(torch.from_numpy(x))
        finally:
            for m, mode in modes.items():
                m.training = mode
        if isinstance(result, (list, tuple)):
            result = result[0]
        return np.asarray(result.detach().numpy(), np.float32)

    model = onnx.load_from_string(buffer.getvalue())
    return Source(model, run, shape, description, any_size=True)


def _checkpoint_source(path: Path, sample_shape: tuple[int, ...] | None) -> Source:
    require("torch", "train")
    try:
        from train.checkpoint import load_checkpoint
    except ImportError as error:
        raise ImportError(
            f"{path}: building a checkpoint needs the folder 'train' of the pyengine sources; "
            "run from there, or export the network to ONNX"
        ) from error
    checkpoint = load_checkpoint(path)
    loaded = _module_source(checkpoint.model, sample_shape or checkpoint.sample_shape, path.name)
    loaded.manifest = checkpoint.manifest
    return loaded
