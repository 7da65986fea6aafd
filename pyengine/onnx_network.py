"""Networks that an engine file keeps as ONNX, computed by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.engine_header import read_manifest
from pyengine.network import Network

ATTACHMENT = "source.onnx"
"""The engine file's name for it."""

_EXTRA = 'pip install "pyengine[onnxruntime]"'
_TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8, "tensor(uint16)": np.uint16, "tensor(int32)": np.int32,
}  # fmt: skip


def stored_network(path: str, threads: int | None) -> Network:
    """The network that `path` keeps as ONNX, as a function of (N, C, H, W).

    Parameters
    ----------
    path : str
        An engine file.
    threads : int, optional
        Of onnxruntime. Default: as many as it takes.

    Raises
    ------
    EngineFileError
        The file is damaged.
    ImportError
        onnxruntime is missing; the message says how to get it.
    UnsupportedError
        The file keeps no ONNX, or onnxruntime cannot run it.
    """
    try:
        data = _core.attachment(path, ATTACHMENT)
    except _core.UnsupportedError:
        raise _core.UnsupportedError(
            f"{path}: keeps no ONNX for onnxruntime; build it with executor='onnxruntime' or "
            "store_onnx=True"
        ) from None
    return session_network(data, threads, path)


def needs_onnxruntime(path: str) -> bool:
    """Whether an engine file says that the CPU engine does not run it.

    What cannot be read says nothing here; whoever opens the file tells what is wrong with it.
    """
    try:
        manifest = read_manifest(Path(path))
        return bool(manifest.get("executor", {}).get("name") == "onnxruntime")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def open_session(model: bytes, options: Any) -> Any:
    """A session of onnxruntime on the CPU, which gives its best setting up where that fails.

    Its optimiser moves transposes past operators, also past resizes that it then cannot run.
    """
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(model, options, providers=providers)
    except Exception:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(model, options, providers=providers)


def session_network(model: bytes, threads: int | None, name: str) -> Network:
    """An ONNX model as a function of (N, C, H, W) float32; see `stored_network`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"{name}: this network is run by onnxruntime, which is not installed; get it with {_EXTRA}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is told by exceptions
    if threads:
        options.intra_op_num_threads = threads
    try:
        session = open_session(model, options)
    except Exception as error:
        raise _core.UnsupportedError(f"{name}: onnxruntime cannot run it: {error}") from error
    (image,) = session.get_inputs()
    dtype = _TYPES.get(image.type, np.float32)
    one_by_one = image.shape[0] == 1

    def run(batch: npt.NDArray[np.float32]) -> Any:
        x = batch.astype(dtype, copy=False)
        parts = [x] if not one_by_one else [x[i : i + 1] for i in range(len(x))]
        answers = [session.run(None, {image.name: part}) for part in parts]
        joined = [np.concatenate(of_one) for of_one in zip(*answers, strict=True)]
        arrays = [np.asarray(array, np.float32) for array in joined]
        return arrays[0] if len(arrays) == 1 else arrays

    return run
