"""An engine as a package of bioimage.io, which its tools validate and run."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyengine._core import UnsupportedError
from pyengine.atomic_file import write_atomically
from pyengine.builder.bioimageio_steps import described_steps
from pyengine.builder.container import deserialize, sha256
from pyengine.builder.expected import probabilities_of
from pyengine.builder.onnx_export import export_onnx
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.inputs.source import SEED, require
from pyengine.shipped import resolve

_FORMAT = "0.5.4"
_OPSET_DOMAIN = ""
_NAME_LENGTH = range(5, 129)  # of a package


def export_package(
    engine: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    description: str | None = None,
    authors: list[str] | None = None,
    license: str | None = None,
) -> None:
    """Write an engine as a package of bioimage.io, format 0.5: ONNX, description, test tensors.

    Parameters
    ----------
    engine : path or name
        Of a network with one result.
    path : path
        The ``.zip`` to write.
    name, description, license : str, optional
        Default: what the engine file's provenance says, else the file's name; license
        "CC-BY-4.0".
    authors : list of str, optional
        Default: from the provenance, else "unknown".

    Raises
    ------
    ImportError
        PyYAML or onnx is missing.
    UnsupportedError
        The engine is a classifier, has several results, is kept as ONNX for onnxruntime, or
        measures what a step before has made of the image: there, all is measured beforehand.
    ValueError
        `path` is not a ``.zip``, or the engine; `name` is too short or too long.
    """
    require("yaml", "bioimageio")
    require("onnx", "build")
    import yaml

    target = Path(path)
    if target.suffix.lower() != ".zip":
        raise ValueError(f"{target}: a package is a .zip file")
    source = resolve(engine)
    check_distinct([source], [(target, "the engine")])
    opened = Engine(source, device="cpu")
    manifest = opened.info.manifest
    if opened.info.task != "segmentation" or manifest.get("outputs") or manifest.get("executor"):
        raise UnsupportedError(
            f"{source}: packages are written of segmentation networks with one result that the CPU "
            "engine runs"
        )
    if name is not None and len(name) not in _NAME_LENGTH:
        raise ValueError(f"name {name!r}: a package's name has 5 to 128 characters")
    words = {"name": name, "description": description, "license": license}
    with tempfile.TemporaryDirectory() as folder:
        described = _description(opened, Path(folder), words, authors)

        (Path(folder) / "bioimageio.yaml").write_text(
            yaml.safe_dump(described, sort_keys=False, allow_unicode=True), "utf-8"
        )

        def write(temporary: Path) -> None:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(Path(folder).iterdir()):
                    archive.write(file, file.name)

        write_atomically(target, write)


def _description(
    engine: Engine, folder: Path, words: Mapping[str, str | None], authors: list[str] | None
) -> dict[str, Any]:
    """The description; its files lie in `folder`."""
    import onnx

    info = engine.info
    _, graph_json, tensors = deserialize(Path(info.path).read_bytes())
    model = export_onnx(_json(graph_json), _weights(tensors))
    (opset,) = (o.version for o in model.opset_import if o.domain == _OPSET_DOMAIN)
    onnx.save(model, folder / "weights.onnx")
    image, result = _test_tensors(engine, _test_size(engine))
    np.save(folder / "test_input.npy", image)
    np.save(folder / "test_output.npy", result)
    said = dict(info.provenance.get("bioimageio", {}))
    title = str(words["name"] or said.get("name") or Path(info.path).stem)
    if len(title) not in _NAME_LENGTH:
        title = f"network {title}"[: _NAME_LENGTH[-1]]
    (folder / "README.md").write_text(
        f"# {title}\n\nWritten by pyengine from `{Path(info.path).name}`. Classes: "
        f"{', '.join(info.classes)}.\n\n## Validation\n\nThe test tensors were computed by pyengine.\n"
    )
    people = authors or [str(a["name"]) for a in said.get("authors", [])] or ["unknown"]
    return {
        "format_version": _FORMAT,
        "type": "model",
        "name": title,
        "description": words["description"] or said.get("description") or "A segmentation network.",
        "authors": [{"name": person} for person in people],
        "cite": [{"text": "pyengine", "url": "https://bioimage.io"}],
        "license": words["license"] or said.get("license") or "CC-BY-4.0",
        "documentation": "README.md",
        "inputs": [_input(engine, folder, image.shape)],
        "outputs": [_output(engine, folder)],
        "weights": {
            "onnx": {
                "source": "weights.onnx",
                "opset_version": opset,
                **_hash(folder, "weights.onnx"),
            }
        },
    }


def _hash(folder: Path, name: str) -> dict[str, str]:
    return {"sha256": sha256((folder / name).read_bytes())}


def _json(text: str) -> dict[str, Any]:
    import json

    return dict(json.loads(text))


def _weights(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: t.astype(np.float32) for name, t in tensors.items() if t.dtype != np.uint8}


def _test_size(engine: Engine) -> tuple[int, int]:
    """The sample's size, or the next that leaves something of an image within its halo."""
    info = engine.info
    height, width = info.input["sample_size_px"]
    least = 2 * info.halo + 2 * info.margin + 1
    step = info.alignment

    def enough(side: int) -> int:
        return int(side) + max(0, -(-(least - int(side)) // step)) * step

    return enough(height), enough(width)


def _test_tensors(engine: Engine, size: tuple[int, int]) -> tuple[Any, Any]:
    """An image (1, C, H, W) of the trained type, and the probabilities (1, K, H', W')."""
    spec = engine.info.input
    shape = (*size, int(spec["channels"]))
    rng = np.random.default_rng(SEED)
    if spec["dtype"] == "float32":
        image = rng.standard_normal(shape, dtype=np.float32)
    else:
        image = rng.integers(0, np.iinfo(spec["dtype"]).max, shape, spec["dtype"], endpoint=True)
    result = probabilities_of(engine, image[..., 0] if shape[2] == 1 else image)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None]), result[None]


def _input(engine: Engine, folder: Path, shape: tuple[int, ...]) -> dict[str, Any]:
    info = engine.info
    sizes = dict(zip("yx", shape[2:], strict=True))

    def size(axis: str) -> Any:
        return {"min": sizes[axis], "step": info.alignment} if info.tileable else sizes[axis]

    channels = [f"channel{i}" for i in range(shape[1])]
    cast = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    return {
        "id": "input",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": channels},
            *({"type": "space", "id": axis, "size": size(axis)} for axis in "yx"),
        ],
        "data": {"type": info.input["dtype"]},
        "test_tensor": {"source": "test_input.npy", **_hash(folder, "test_input.npy")},
        "preprocessing": [cast, *described_steps(info.input["preprocessing"]), cast],
    }


def _output(engine: Engine, folder: Path) -> dict[str, Any]:
    info = engine.info
    head = info.manifest["head"]
    ends = [] if head["in_network"] or head["activation"] == "none" else [head["activation"]]

    def axis(name: str) -> dict[str, Any]:
        size = {"tensor_id": "input", "axis_id": name, "offset": -2 * info.margin}
        halo = {"halo": info.halo} if info.tileable and info.halo > 0 else {}
        return {"type": "space", "id": name, "size": size, **halo}

    names = [f"class{i}" for i in range(info.outputs)]
    return {
        "id": "probabilities",
        "axes": [
            {"type": "batch"}, {"type": "channel", "channel_names": names}, axis("y"), axis("x"),
        ],
        "data": {"type": "float32"},
        "test_tensor": {"source": "test_output.npy", **_hash(folder, "test_output.npy")},
        "postprocessing": [
            *({"id": end} for end in ends),
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
        ],
    }  # fmt: skip
