"""Networks that Keras saved."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine.inputs.channels_last import channels_first
from pyengine.inputs.source import (
    InputKind,
    Source,
    SourceKeywords,
    check_shape,
    is_path,
    require,
)

if TYPE_CHECKING:
    import onnx


class Keras(InputKind):
    """A whole model in a ``.keras`` or HDF5 file. Code in it (lambda layers) is never run."""

    title = "a path to a Keras model"
    file_title = ".keras or .h5 file"

    def takes(self, source: Any) -> bool:
        if not is_path(source):
            return False
        path = Path(source)
        if path.suffix.lower() == ".keras":
            return path.is_file() and zipfile.is_zipfile(path)
        return path.suffix.lower() in (".h5", ".hdf5") and _is_keras_hdf5(path)

    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        _choose_backend()
        require("keras", "keras")
        import keras

        path = Path(source)
        try:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            why = " ".join(str(error).split())
            raise ValueError(f"{path}: Keras cannot read this model ({why[:200]})") from error
        height, width, channels = _input_sizes(model, path)
        if sample_shape is None and height and width and channels:
            sample_shape = (1, channels, height, width)
        shape = check_shape(sample_shape)

        def run(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            result = model(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), training=False)
            result = result[0] if isinstance(result, (list, tuple)) else result
            result = np.asarray(keras.ops.convert_to_numpy(result), np.float32)
            return result.transpose(0, 3, 1, 2) if result.ndim == 4 else result

        run(np.zeros(shape, np.float32))  # models that were never called have no inputs
        exported = channels_first(_export(model, shape))
        return Source(exported, run, shape, path.name, any_size=height is None and width is None)


def _is_keras_hdf5(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path) as file:
            return "model_config" in file.attrs
    except OSError:
        return False


def _choose_backend() -> None:
    """Keras runs on TensorFlow unless told; where that is missing, on PyTorch."""
    if importlib.util.find_spec("tensorflow") is None:
        os.environ.setdefault("KERAS_BACKEND", "torch")


def _input_sizes(model: Any, path: Path) -> tuple[int | None, int | None, int | None]:
    shapes = [tuple(tensor.shape) for tensor in model.inputs or []]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(
            f"{path}: the model takes {shapes}; networks here take one image (N, H, W, C)"
        )
    return shapes[0][1:]


def _export(model: Any, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The model as ONNX, on one image (1, H, W, C) of the sample's size."""
    import keras
    import onnx

    sizes = (1, *shape[2:], shape[1])
    if keras.backend.backend() == "tensorflow":
        require("tf2onnx", "keras")
        import tensorflow
        import tf2onnx

        signature = [tensorflow.TensorSpec(sizes, tensorflow.float32, name="image")]
        converted, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=17)
        return converted
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        signature = [keras.InputSpec(dtype="float32", shape=sizes)]
        model.export(str(file), format="onnx", verbose=False, input_signature=signature)
        return onnx.load(file)
