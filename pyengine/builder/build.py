"""From a network to a verified engine file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.atomic_file import write_atomically
from pyengine.builder.arguments import (
    ACTIVATIONS,
    INPUT_DTYPES,
    TASKS,
    check_classes,
    check_colors,
    check_preprocessing,
    check_word,
)
from pyengine.builder.container import is_engine_file, refuse_engine_file, serialize
from pyengine.builder.manifest import make_manifest
from pyengine.builder.onnx_import import import_onnx
from pyengine.builder.parity import BuildReport, check_geometry, check_tolerance, compare
from pyengine.checks import check_batch
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.inputs.registry import load_source, source_files
from pyengine.inputs.source import random_samples

_TOLERANCE = {"float32": 1e-4, "float16": 1e-2}


def build(
    source: Any,
    path: str | os.PathLike[str],
    sample_shape: tuple[int, ...] | None = None,
    *,
    task: Literal["segmentation", "classification"] | None = None,
    classes: list[str] | None = None,
    colors: list[tuple[int, int, int]] | None = None,
    input_dtype: str | None = None,
    preprocessing: list[dict[str, Any]] | None = None,
    activation: Literal["softmax", "sigmoid", "none"] | None = None,
    weights: Literal["float32", "float16"] = "float32",
    provenance: dict[str, Any] | None = None,
    store_onnx: bool = False,
    samples: list[npt.NDArray[np.float32]] | None = None,
    tolerance: float | None = None,
) -> BuildReport:
    """Build an engine file from a trained network.

    Folds batch norm, drops dropout, derives halo and alignment from the graph and checks them by
    the network's response, then compares the engine with the source network. Nothing is written
    if a check fails.

    Parameters
    ----------
    source : torch.nn.Module, path or onnx.ModelProto
        A module, an ``.onnx`` file, a checkpoint of ``train/``; see `pyengine.inputs`.
    path : path
        The ``*.pyengine`` file to write.
    sample_shape : tuple of int, optional
        (1, C, H, W), a size the network accepts. Needed for modules and for ONNX files with free
        dimensions.
    task : {"segmentation", "classification"}, optional
        Default: from the source, else by the output (one value per pixel, or one per image).
    classes : list of str, optional
        Names in the order of the outputs; two names for a single sigmoid output.
    colors : list of (int, int, int), optional
        RGB of each class, 0 to 255.
    input_dtype : {"uint8", "uint16", "float32"}, optional
        What images the network was trained on; for information. Default "float32".
    preprocessing : list of dict, optional
        Steps from pixel values to network input, in bioimage.io's words:
        ``{"name": "scale_linear", "gain": [..], "offset": [..]}`` or
        ``{"name": "fixed_zero_mean_unit_variance", "mean": [..], "std": [..]}``, one number or one
        per channel. Default: none.
    activation : {"softmax", "sigmoid", "none"}, optional
        From outputs to probabilities. Default: what the network ends in; else softmax for
        several outputs, sigmoid for one.
    weights : {"float32", "float16"}
        How weights are stored; computation is float32.
    provenance : dict, optional
        Training data, metrics, terms: anything JSON can hold.
    store_onnx : bool
        Keep the source network's ONNX in the file, for other executors.
    samples : list of ndarray of float32, shape (1, C, H, W), optional
        Network inputs for the parity check. Default: random ones.
    tolerance : float, optional
        Largest |difference| from the source, as a fraction of its output's range. Default 1e-4,
        with float16 weights 1e-2.

    Returns
    -------
    BuildReport
        What the parity check measured; also in the file.

    Raises
    ------
    UnsupportedError
        An operator that the CPU engine does not run, by name.
    ValueError
        A bad argument, parity beyond the tolerance, or a `path` that is a file of the source.
    ImportError
        A package that this source needs, with the extra that brings it.

    Examples
    --------
    >>> import torch, tempfile, os
    >>> folder = tempfile.TemporaryDirectory()
    >>> net = torch.nn.Conv2d(1, 2, 3, padding=1)
    >>> report = build(net, os.path.join(folder.name, "x.pyengine"), sample_shape=(1, 1, 32, 32))
    >>> report.passed
    True
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target.parent}: no such folder")
    check_word("task", task, TASKS)
    check_word("activation", activation, ACTIVATIONS)
    check_word("input_dtype", input_dtype, INPUT_DTYPES)
    if weights not in _TOLERANCE:
        raise ValueError(f"weights must be 'float32' or 'float16', got {weights!r}")
    check_classes(classes)
    check_colors(colors)
    check_preprocessing(preprocessing)
    check_tolerance(tolerance)
    refuse_engine_file(source)
    check_distinct(source_files(source), [(target, "the source")])
    if target.is_file() and target.stat().st_size > 0 and not is_engine_file(target):
        raise FileExistsError(f"{target}: exists and is no engine file; choose another name")
    loaded = load_source(source, sample_shape)
    inputs = random_samples(loaded.sample_shape) if samples is None else list(samples)
    for i, sample in enumerate(inputs):
        check_batch(sample, loaded.sample_shape[1], f"samples[{i}]")
    graph = import_onnx(loaded.model, loaded.sample_shape)
    in_network = graph.strip_head()
    graph.simplify()
    graph_json = graph.json()
    geometry = _core.analyze(graph_json, *loaded.sample_shape[2:])
    manifest = make_manifest(
        loaded, geometry, in_network, task=task, classes=classes, colors=colors,
        input_dtype=input_dtype, preprocessing=preprocessing, activation=activation,
        provenance=provenance,
    )  # fmt: skip
    tensors: dict[str, npt.NDArray[Any]] = {k: v.astype(weights) for k, v in graph.weights.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"weight '{name}' holds NaN or infinity (as {weights})")
    if store_onnx:
        tensors["source.onnx"] = np.frombuffer(loaded.model.SerializeToString(), np.uint8)
    limit = _TOLERANCE[weights] if tolerance is None else tolerance
    reports: list[BuildReport] = []

    def write(temporary: Path) -> None:
        temporary.write_bytes(serialize(manifest, graph_json, tensors))
        try:
            engine = Engine(temporary)
        except _core.EngineFileError as error:  # arguments that only the core can judge
            raise ValueError(str(error).replace(str(temporary), f"{target}: not written")) from None
        report = compare(engine, loaded.run, inputs, limit)
        if not report.passed:
            raise ValueError(f"{target}: not written, the engine differs from its source: {report}")
        # An ONNX file may be bound to one size; the engine, just found equal, stands in for it.
        network = loaded.run if loaded.any_size else engine.run
        check_geometry(network, geometry, loaded.sample_shape)
        temporary.write_bytes(
            serialize(manifest | {"parity": report.as_dict()}, graph_json, tensors)
        )
        reports.append(report)

    write_atomically(target, write)
    return reports[0]
