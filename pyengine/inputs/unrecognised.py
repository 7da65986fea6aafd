"""What a file is that no kind of source takes, in one line, and what to do with it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from pyengine.inputs.torch_file import archive_names, load_weights_only, state_dicts

_BY_SUFFIX = {
    ".pb": "a TensorFlow graph; write it as ONNX with tf2onnx, and give that",
    ".tflite": "a TensorFlow Lite network; write the network that it was made from as ONNX",
    ".mlmodel": "a Core ML network; write the network that it was made from as ONNX",
    ".xml": "an OpenVINO network, if anything; write the network that it was made from as ONNX",
    ".plan": "a TensorRT plan; give the network that it was made from, as ONNX",
    ".engine": "a TensorRT plan; give the network that it was made from, as ONNX",
    ".trt": "a TensorRT plan; give the network that it was made from, as ONNX",
    ".param": "an ncnn network; write the network that it was made from as ONNX",
    ".npz": "an archive of NumPy arrays, which names no network",
    ".json": "a JSON document; give the folder that it describes",
    ".yaml": "a YAML document; give the folder that it describes",
}
_BY_FILE_IN_FOLDER = {
    "saved_model.pb": "a TensorFlow SavedModel; write it as ONNX with tf2onnx, and give that",
    "plans.json": "part of an nnU-Net results folder; give the folder with both plans.json and "
    "dataset.json",
    "dataset_fingerprint.json": "an nnU-Net folder of preprocessed data; give the results folder",
    "metadata.json": "part of a MONAI bundle; give the folder around 'configs' and 'models'",
    "model.json": "a TensorFlow.js network; write the network that it was made from as ONNX",
}
_BY_FIRST_BYTES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"\x93NUMPY": "a NumPy array, which names no network",
    b"\x89HDF": "an HDF5 file that holds no whole Keras model; of weights alone, load them into "
    "their model and save that",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with git lfs pull",
    b"%PDF": "a PDF document",
    b"<": "an HTML or XML document",
}


def what_it_is(path: Path) -> str:
    """A file or folder in words, with a way out; never raises."""
    if path.is_dir():
        return _folder(path)
    names = archive_names(path)
    if "data.pkl" in names:
        return _torch_file(path)
    with path.open("rb") as file:
        first = file.read(64)
    if first.startswith(b"\x80") or path.suffix.lower() == ".safetensors":
        return _torch_file(path)
    by_bytes = next(
        (what for begin, what in _BY_FIRST_BYTES.items() if first.startswith(begin)), ""
    )
    if by_bytes:
        return by_bytes
    if zipfile.is_zipfile(path) and path.suffix.lower() != ".npz":
        return (
            "a zip archive that holds no bioimage.io package and no MONAI bundle; unpack it and "
            "give the network inside"
        )
    known = _BY_SUFFIX.get(path.suffix.lower())
    return known or ("an empty file" if not first else "no network of a kind that is known")


def _folder(path: Path) -> str:
    for name, what in _BY_FILE_IN_FOLDER.items():
        if (path / name).exists():
            return what
    if any(p.name.startswith("fold_") for p in path.iterdir()):
        return "a folder of folds without plans.json and dataset.json, which nnU-Net puts there"
    if any(path.parent.joinpath(name).is_file() for name in ("plans.json",)):
        return f"a fold of an nnU-Net results folder; give {path.parent}"
    return (
        "a folder without a network: no bioimageio.yaml or rdf.yaml, no plans.json of nnU-Net, no "
        "configs/metadata.json of a MONAI bundle"
    )


def _torch_file(path: Path) -> str:
    """What PyTorch saved; read without executing it."""
    try:
        data = load_weights_only(path)
    except (ValueError, ImportError):
        if "network_weights" in _strings(path):
            return _NNUNET
        return (
            "a pickle with Python objects in it, such as a whole module; opening it would run what "
            "it holds: save its state_dict() and say --module, or export it as ONNX"
        )
    if isinstance(data, Mapping) and "network_weights" in data and "trainer_name" in data:
        return _NNUNET
    if state_dicts(data):
        return "weights of a PyTorch module without its class; say --module package.module:Class"
    return "a file of PyTorch's without weights by name"


_NNUNET = (
    "an nnU-Net checkpoint without its folder: give the results folder, with plans.json and "
    "dataset.json"
)


def _strings(path: Path) -> str:
    """Text in the pickle of a PyTorch file."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        return archive.read(name).decode("latin-1")
