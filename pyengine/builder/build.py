"""From a network to a verified engine file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine.atomic_file import write_atomically
from pyengine.builder.arguments import (
    ACTIVATIONS,
    EXECUTORS,
    INPUT_DTYPES,
    LABEL_RULES,
    TASKS,
    check_classes,
    check_colors,
    check_context,
    check_output_name,
    check_preprocessing,
    check_statistics,
    check_word,
)
from pyengine.builder.container import is_engine_file, refuse_engine_file, serialize
from pyengine.builder.manifest import make_manifest
from pyengine.builder.network import BuiltNetwork, any_size_onnx, cpu_network, make_network
from pyengine.builder.outputs import choose_outputs
from pyengine.builder.parity import BuildReport, check_tolerance
from pyengine.builder.proof import measure_frozen, prove
from pyengine.builder.sizes import FixedSizeWarning
from pyengine.builder.spikes import without_far_rounding
from pyengine.checks import check_batch
from pyengine.distinct_files import check_distinct
from pyengine.inputs.registry import load_source, source_files
from pyengine.inputs.source import Array, Network, Source, SourceKeywords, parity_samples
from pyengine.onnx_network import ATTACHMENT
from pyengine.processing import head_of, preprocessing_steps

if TYPE_CHECKING:
    from typing_extensions import Unpack


class OnnxruntimeWarning(UserWarning):
    """A network that the CPU engine does not run: the engine file needs onnxruntime."""


_TOLERANCE = {"float32": 1e-4, "float16": 1e-2}
_SHOWN = 3  # warnings of a tracer


def build(
    source: Any,
    path: str | os.PathLike[str],
    sample_shape: tuple[int, ...] | None = None,
    *,
    task: Literal["segmentation", "classification"] | None = None,
    classes: list[str] | None = None,
    colors: list[tuple[int, int, int]] | None = None,
    input_dtype: str | None = None,
    preprocessing: Sequence[Mapping[str, Any]] | None = None,
    postprocessing: Sequence[Mapping[str, Any]] | None = None,
    activation: Literal["softmax", "sigmoid", "none"] | None = None,
    weights: Literal["float32", "float16"] = "float32",
    provenance: dict[str, Any] | None = None,
    store_onnx: bool = False,
    executor: Literal["auto", "cpu", "onnxruntime"] = "auto",
    output_name: str | Sequence[str] | None = None,
    label_rule: Literal["highest", "regions"] | None = None,
    halo: int | None = None,
    alignment: int | None = None,
    statistics: Literal["image", "frozen"] = "image",
    allow_tracer_warnings: bool = False,
    samples: list[npt.NDArray[np.float32]] | None = None,
    tolerance: float | None = None,
    **source_options: Unpack[SourceKeywords],
) -> BuildReport:
    """Build an engine file from a trained network.

    Folds batch norm, drops dropout, derives halo and alignment from the graph, compares the engine
    with the source network, at two sizes, and halo and alignment with its response. Nothing is
    written if a check fails.

    Parameters
    ----------
    source : torch.nn.Module, torch.export.ExportedProgram, onnx.ModelProto or path
        A network in memory, or a file or folder of one: ONNX, TorchScript, ``.pt2``, a package of
        bioimage.io, a MONAI bundle, a Keras model, a checkpoint of ``train/``, or
        weights together with `module`; see `pyengine.inputs`.
    path : path
        The ``*.pyengine`` file to write.
    sample_shape : tuple of int, optional
        (1, C, H, W), a size the network accepts; (1, C, D, H, W) for volumes. Needed for modules and for ONNX files with free
        dimensions.
    task : {"segmentation", "classification"}, optional
        Default: from the source, else by the output (planes, or one value per image).
    classes : list of str, optional
        Names in the order of the outputs; two names for a single sigmoid output.
    colors : list of (int, int, int), optional
        RGB of each class, 0 to 255.
    input_dtype : {"uint8", "uint16", "float32"}, optional
        What images the network was trained on; for information. Default "float32".
    preprocessing : list of dict, optional
        Steps from pixel values to network input, in bioimage.io's words, in place of the source's
        own; `[]` for none. ``{"name": "scale_linear", "gain": .., "offset": ..}``,
        ``{"name": "fixed_zero_mean_unit_variance", "mean": .., "std": ..}``,
        ``{"name": "binarize", "threshold": ..}``, ``{"name": "clip", "min": .., "max": ..}`` take
        one number or one per channel. ``{"name": "zero_mean_unit_variance"}``,
        ``{"name": "scale_range", "min_percentile": 0, "max_percentile": 100}`` and clip's
        ``min_percentile`` and ``max_percentile`` are those of each image, whole; ``"axes"`` are
        ``["channel", "y", "x"]`` (default: all channels together) or ``["y", "x"]`` (each by
        itself), ``"eps"`` is added to what is divided by (1e-6).
        ``{"name": "ensure_dtype", "dtype": "uint8"}`` cuts fractions off.
    postprocessing : list of dict, optional
        ``{"name": "sigmoid"}`` or ``{"name": "softmax"}``: another way to say `activation`; then
        ``{"name": "binarize", "threshold": 0.5}``, which is what labels are.
    activation : {"softmax", "sigmoid", "none"}, optional
        From outputs to probabilities. Default: what the network ends in; else softmax for
        several outputs, sigmoid for one.
    weights : {"float32", "float16"}
        How weights are stored; computation is float32.
    provenance : dict, optional
        Training data, metrics, terms: anything JSON can hold.
    store_onnx : bool
        Keep the source network's ONNX in the file, for other executors.
    executor : {"auto", "cpu", "onnxruntime"}
        What the file is for. "auto" takes the CPU engine where it runs the network, else
        onnxruntime: the file then keeps the network as ONNX, and ``info.why_not_cpu`` says why.
    output_name : str or sequence of str, optional
        Which of several outputs: one, or several that become named results. Those of tuples and
        lists are called output0, output1 and so on, those of dicts by their keys. Needed where the
        network has several. A result may have whole multiples or parts of the image's resolution.
    label_rule : {"highest", "regions"}, optional
        How several sigmoids become labels. "regions" (default): 0 where no probability is above
        one half, else 1 + the last that is, so that inner regions follow those around them.
        "highest": the highest, whatever it is.
    halo, alignment : int, optional
        For onnxruntime, whose graph is not looked into: context that a tile needs on each side, and
        what tile origins and sizes are multiples of [px]; checked by the network's response.
        Without a halo it has no exact tiles.
    statistics : {"image", "frozen"}
        Of instance and group norms. "image": of each image, as the source computes them; the
        network then has no tiles. "frozen": the means over `samples`, as constants; it has tiles,
        and is another network, whose difference on them is reported.
    allow_tracer_warnings : bool
        Build a module that decides by the values of pixels, by what the sample took.
    samples : list of ndarray of float32, shape (1, C, H, W), optional
        Network inputs for the parity check. Default: two of noise, one like a natural image.
    tolerance : float, optional
        Largest |difference| from the source, as a fraction of its output's range. Default 1e-4,
        with float16 weights 1e-2.
    **source_options : SourceKeywords
        ``module``, ``arguments``, ``allow_code``, ``configuration``, ``fold``: what some kinds of
        sources need to be told; see `pyengine.inputs.SourceKeywords`.

    Returns
    -------
    BuildReport
        What the parity check measured; also in the file.

    Raises
    ------
    UnsupportedError
        What neither executor runs, by name; a halo that is too small.
    ValueError
        A bad argument, several outputs and no choice, parity beyond the tolerance (the first layer
        that departs is named), or a `path` that is a file of the source.
    ImportError
        A package that this source needs, with the extra that brings it.

    Warns
    -----
    OnnxruntimeWarning
        The network is kept as ONNX though that was not asked for, and why.
    FixedSizeWarning
        The source fixes its size, or answers otherwise at another: so does the engine.

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
    check_word("executor", executor, EXECUTORS)
    check_word("label_rule", label_rule, LABEL_RULES)
    check_output_name(output_name)
    check_context(executor, halo, alignment)
    check_statistics(statistics, samples, executor)
    if weights not in _TOLERANCE:
        raise ValueError(f"weights must be 'float32' or 'float16', got {weights!r}")
    check_classes(classes)
    check_colors(colors)
    check_preprocessing(preprocessing)
    steps = None if preprocessing is None else preprocessing_steps(preprocessing)
    if postprocessing is not None:
        activation = _activation(activation, head_of(postprocessing) or "none")
    check_tolerance(tolerance)
    refuse_engine_file(source)
    check_distinct(source_files(source), [(target, "the source")])
    if target.is_file() and target.stat().st_size > 0 and not is_engine_file(target):
        raise FileExistsError(f"{target}: exists and is no engine file; choose another name")
    loaded = load_source(source, sample_shape, **source_options)
    if loaded.doubts:
        if not allow_tracer_warnings:
            raise ValueError(_doubts_text(loaded))
        warnings.warn(_doubts_text(loaded), UserWarning, stacklevel=2)
    inputs = parity_samples(loaded.sample_shape) if samples is None else list(samples)
    for i, sample in enumerate(inputs):
        volume = len(loaded.sample_shape) == 5
        check_batch(sample, loaded.sample_shape[1], f"samples[{i}]", volume)
    seen = inputs[0] if samples is None else parity_samples(loaded.sample_shape)[0]
    loaded, names = choose_outputs(loaded, seen, output_name)
    as_is = (task or loaded.manifest.get("task")) == "classification"
    limit = _TOLERANCE[weights] if tolerance is None else tolerance

    def manifest_of(network: BuiltNetwork) -> dict[str, Any]:
        return make_manifest(
            loaded, network, names, task=task, classes=classes, colors=colors,
            input_dtype=input_dtype, preprocessing=steps, activation=activation,
            label_rule=label_rule, provenance=provenance,
        )  # fmt: skip

    results = loaded.run(seen)
    loaded = replace(loaded, run=_remembering(loaded.run, seen, results))
    runs_on = "cpu" if statistics == "frozen" else executor
    network = make_network(loaded, results, runs_on, weights, as_is, halo, alignment)
    manifest = manifest_of(network)
    kept: dict[str, npt.NDArray[Any]] = {}
    if store_onnx:
        kept[ATTACHMENT] = np.frombuffer(any_size_onnx(loaded).SerializeToString(), np.uint8)
    reports: list[BuildReport] = []

    def write(temporary: Path) -> None:
        report = prove(temporary, target, loaded, network, manifest, inputs, limit)
        final, final_manifest = network, manifest
        if statistics == "frozen":
            final = cpu_network(loaded, results, weights, as_is, inputs)
            final_manifest = manifest_of(final)
            report = measure_frozen(temporary, loaded, final, final_manifest, inputs, report)
        final, report = without_far_rounding(temporary, final, final_manifest, report)
        final_manifest = final_manifest | {"parity": report.as_dict()}
        if report.fixed_size:
            final_manifest["input"] = final_manifest["input"] | {"fixed_size": True}
        tensors = kept | final.tensors
        temporary.write_bytes(serialize(final_manifest, final.graph_json, tensors))
        reports.append(report)

    write_atomically(target, write)
    (report,) = reports
    if report.fixed_size:
        size = " x ".join(map(str, loaded.sample_shape[2:]))
        warnings.warn(
            f"{target}: for images of {size} px alone (mode='gaussian' takes windows of "
            f"that size): {report.fixed_size}",
            FixedSizeWarning,
            stacklevel=2,
        )
    if report.why_not_cpu and executor == "auto":
        warnings.warn(
            f"{target}: kept as ONNX for onnxruntime, as the CPU engine does not run it: "
            f"{report.why_not_cpu}",
            OnnxruntimeWarning,
            stacklevel=2,
        )
    return report


def _remembering(run: Network, seen: Array, results: Array | list[Array]) -> Network:
    """`run`, without a second run on what was seen."""
    return lambda x: results if x is seen else run(x)


def _doubts_text(source: Source) -> str:
    shown = "; ".join(source.doubts[:_SHOWN])
    more = f" and {len(source.doubts) - _SHOWN} more" if len(source.doubts) > _SHOWN else ""
    return (
        f"{source.description}: the network decides by the values of pixels, which a trace does not "
        f"follow: {shown}{more}. Where the decision does not matter, allow_tracer_warnings=True "
        "builds what the sample took"
    )


def _activation(asked: Any, by_postprocessing: Any) -> Any:
    if asked not in (None, by_postprocessing):
        raise ValueError(
            f"activation {asked!r} and postprocessing, which is {by_postprocessing!r}, differ"
        )
    return by_postprocessing
