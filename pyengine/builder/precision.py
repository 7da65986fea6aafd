"""Which layers may compute in float16 or int8: found by running them so, before a plan is built."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pyengine.builder.onnx_export import export_onnx
from pyengine.builder.onnx_write import INPUT, LayerType
from pyengine.builder.parity import labels_of, relative
from pyengine.inputs.source import require

_LARGEST = float(np.finfo(np.float16).max)
_TOLERANCE = {"fp16": 1e-2, "int8": 5e-2}
# Larger values than these of 10,000 are cut off by int8: one outlier must not coarsen all others.
_CALIBRATED_SHARE = 99.99

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PrecisionReport:
    """How far a network in lower precision lies from the same in float32.

    Attributes
    ----------
    max_abs_error : float
        Largest difference of any logit.
    relative_error : float
        The same as a fraction of the float32 logits' range, which is what `tolerance` bounds.
    label_agreement : float
        Share of positions with the same label, 0 to 1.
    dice : float
        Lowest Dice of any class that occurs, between the labels of both, 0 to 1.
    samples : int
        Inputs compared.
    tolerance : float
    float32_layers : dict of str
        Layers that stay in float32, and why.
    float16_layers : dict of str
        With int8: convolutions that stay in float16, and why.
    int8_layers : tuple of str
    computed_by : str
        What computed in lower precision; the plan itself needs a GPU.
    """

    max_abs_error: float
    relative_error: float
    label_agreement: float
    dice: float
    samples: int
    tolerance: float
    float32_layers: dict[str, str]
    float16_layers: dict[str, str]
    int8_layers: tuple[str, ...]
    computed_by: str
    types: dict[str, LayerType] = field(repr=False)
    """By layer, what it computes in."""
    scales: dict[str, float] = field(repr=False)
    """By tensor, the value of one step of int8."""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.relative_error <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        record = asdict(self)
        del record["types"], record["scales"]
        return record

    def __str__(self) -> str:
        kept = f", {len(self.float32_layers)} layer(s) in float32" if self.float32_layers else ""
        if self.int8_layers:
            kept = f", {len(self.int8_layers)} layer(s) in int8" + kept
        return (
            f"max |difference| from float32 {self.max_abs_error:.3g} = {self.relative_error:.3g} of "
            f"the range (tolerance {self.tolerance:g}), labels agree on "
            f"{100 * self.label_agreement:.4f} %, lowest Dice {self.dice:.4f}{kept}"
        )


def choose_layers(
    graph_json: str,
    weights: dict[str, npt.NDArray[Any]],
    samples: Sequence[Array],
    precision: Literal["fp16", "int8"] = "fp16",
    tolerance: float | None = None,
) -> PrecisionReport:
    """Keep as few layers in a higher precision as range and accuracy need.

    Layers stay in float32 if their weights, inputs or results exceed what float16 can hold
    (65504) on any sample. If the logits still differ by more than the tolerance, the layers that
    bring the largest error alone follow, one after the other. With int8, convolutions and linear
    layers whose channels are multiples of 4 are then tried in int8, and those that bring the
    largest error alone go back to float16, likewise.

    Parameters
    ----------
    graph_json : str
        As in the engine file.
    weights : dict of ndarray
    samples : sequence of ndarray of float32, shape (N, C, H, W)
        Network inputs. For int8 they also give the range of each tensor: take real images.
    precision : {"fp16", "int8"}
    tolerance : float, optional
        Largest |difference|, as a fraction of the float32 logits' range. Default 1e-2, with int8
        5e-2.

    Returns
    -------
    PrecisionReport
        Check its ``passed``.

    Raises
    ------
    ImportError
        onnxruntime is missing.
    ValueError
        No samples, or the network's float32 results are not finite.
    """
    require("onnxruntime", "tensorrt")
    if not samples:
        raise ValueError(f"{precision} needs at least one sample to be checked on")
    limit = _TOLERANCE[precision] if tolerance is None else tolerance
    trial = _Trial(json.loads(graph_json), weights, samples)
    float32 = trial.keep_in_float32(limit if precision == "fp16" else _TOLERANCE["fp16"])
    if precision == "fp16":
        return trial.report(float32, {}, [], limit)
    candidates = [name for name in trial.int8_candidates() if name not in float32]
    float16 = trial.keep_in_float16(float32, candidates, limit)
    return trial.report(float32, float16, [c for c in candidates if c not in float16], limit)


class _Trial:
    """A network in float32, and in float16 but for some layers, on the same inputs."""

    def __init__(
        self, graph: dict[str, Any], weights: dict[str, npt.NDArray[Any]], samples: Sequence[Array]
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.samples = samples
        self.nodes = graph["nodes"]
        self.layers = {node["name"] for node in self.nodes}
        self.opened: tuple[frozenset[tuple[str, LayerType]], bool] | None = None
        self.session: Any = None
        image = graph["input"]["name"]
        self.largest: dict[str, float] = {image: 0.0}
        self.scales: dict[str, float] = {}
        self.want: list[Array] = []
        for sample in samples:
            logits, layers = self.run(sample, {}, expose=True)
            if not np.isfinite(logits).all():
                raise ValueError("the network's float32 output holds NaN or infinity")
            self.want.append(logits)
            tensors = {image: sample}
            tensors |= {n["output"]: v for n, v in zip(self.nodes, layers, strict=True)}
            for name, values in tensors.items():
                size = np.abs(values)
                self.largest[name] = max(self.largest.get(name, 0.0), float(size.max()))
                step = float(np.percentile(size, _CALIBRATED_SHARE)) / 127
                self.scales[name] = max(self.scales.get(name, 1e-12), step)
        self.spread = max(float(w.max()) for w in self.want) - min(
            float(w.min()) for w in self.want
        )

    def types(self, float32: Collection[str], int8: Collection[str] = ()) -> dict[str, LayerType]:
        """By layer; float16 unless told otherwise."""
        return {
            name: "float32" if name in float32 else "int8" if name in int8 else "float16"
            for name in self.layers
        }

    def run(
        self, sample: Array, types: dict[str, LayerType], expose: bool = False
    ) -> tuple[Array, list[Array]]:
        key = frozenset(types.items()), expose
        if key != self.opened:  # one session at a time: each holds the network's weights
            self.session = self.open(types, expose)
            self.opened = key
        kind = np.float16 if "float16" in self.session.get_inputs()[0].type else np.float32
        with np.errstate(over="ignore"):
            found = self.session.run(None, {INPUT: sample.astype(kind)})
        return found[0], found[1:]

    def open(self, types: dict[str, LayerType], expose: bool) -> Any:
        import onnxruntime

        model = export_onnx(self.graph, self.weights, types, self.scales, expose)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Every layer rounds its result, as written; fused integer kernels of CPUs without VNNI would
        # also saturate sums that a GPU holds.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def keep_in_float32(self, limit: float) -> dict[str, str]:
        """Layers that cannot be in float16, and why."""
        kept = self.out_of_range()
        error = self.error(self.types(kept))
        while not np.isfinite(error):
            found = self.first_not_finite(kept)
            if not found:
                return kept
            kept |= dict.fromkeys(found, "gives values that are not finite in float16")
            error = self.error(self.types(kept))
        if error <= limit:
            return kept
        groups = [group for group in self.groups() if not kept.keys() >= set(group)]
        return self.keep_worst(
            kept, groups, "float16", limit,
            alone=lambda group: self.types(self.layers - set(group)), without=self.types,
        )  # fmt: skip

    def keep_worst(
        self,
        kept: dict[str, str],
        groups: Sequence[tuple[str, ...]],
        precision: str,
        limit: float,
        alone: Callable[[tuple[str, ...]], dict[str, LayerType]],
        without: Callable[[dict[str, str]], dict[str, LayerType]],
    ) -> dict[str, str]:
        """Give up `precision` for one group after the other, until the error is within the limit.

        Those that bring the largest error `alone` in it go first; `without` tells all types once
        the layers given to it do without.
        """
        errors = {group: self.error(alone(group)) for group in groups}
        for group in sorted(groups, key=lambda g: -errors[g]):
            why = (
                f"alone in {precision} it changes the logits by {errors[group]:.2g} of their range"
            )
            kept = dict.fromkeys(group, why) | kept
            if self.error(without(kept)) <= limit:
                break
        return kept

    def int8_candidates(self) -> list[str]:
        """Layers that have int8 kernels: in and out, multiples of 4 channels a group."""
        return [
            node["name"]
            for node in self.nodes
            if node["op"] in ("conv2d", "conv_transpose2d", "linear")
            and node["in_channels"] // node.get("groups", 1) % 4 == 0
            and node["out_channels"] // node.get("groups", 1) % 4 == 0
        ]

    def keep_in_float16(
        self, float32: dict[str, str], candidates: list[str], limit: float
    ) -> dict[str, str]:
        """Of the candidates for int8, those that cannot be, and why."""
        if self.error(self.types(float32, candidates)) <= limit:
            return {}
        return self.keep_worst(
            {}, [(name,) for name in candidates], "int8", limit,
            alone=lambda group: self.types(float32, group),
            without=lambda kept: self.types(float32, [c for c in candidates if c not in kept]),
        )  # fmt: skip

    def out_of_range(self) -> dict[str, str]:
        """Layers that float16 cannot hold, and why."""
        found = {}
        for node in self.nodes:
            parts = {
                "weights": max(
                    (float(np.abs(self.weights[node[k]]).max(initial=0)) for k in ("weight", "bias")
                     if k in node), default=0.0,
                ),
                "inputs": max(self.largest[x] for x in node["inputs"]),
                "results": self.largest[node["output"]],
            }  # fmt: skip
            part = max(parts, key=lambda p: parts[p])
            if parts[part] > _LARGEST:
                found[node["name"]] = (
                    f"{part} up to {parts[part]:.3g} exceed float16's {_LARGEST:g}"
                )
        return found

    def first_not_finite(self, kept: dict[str, str]) -> set[str]:
        """The first layers in float16 with NaN or infinity in them, with those that read them."""
        for sample in self.samples:
            _, layers = self.run(sample, self.types(kept), expose=True)
            for node, values in zip(self.nodes, layers, strict=True):
                if not np.isfinite(values).all():
                    readers = {n["name"] for n in self.nodes if node["output"] in n["inputs"]}
                    return ({node["name"]} | readers) - kept.keys()
        return set()

    def groups(self) -> list[tuple[str, ...]]:
        """Layers that round together: each with the activations that follow it alone."""
        group_of: dict[str, list[str]] = {}  # by tensor
        groups = []
        for node in self.nodes:
            group = (
                group_of.get(node["inputs"][0]) if node["op"] in ("activation", "affine") else None
            )
            if group is None:
                group = []
                groups.append(group)
            group.append(node["name"])
            readers = sum(node["output"] in n["inputs"] for n in self.nodes)
            if readers == 1:
                group_of[node["output"]] = group
        return [tuple(g) for g in groups]

    def error(self, types: dict[str, LayerType]) -> float:
        """Largest |difference| from float32 as a fraction of the range; NaN and infinity stay."""
        errors = [
            float(np.abs(self.run(sample, types)[0] - want).max())
            for sample, want in zip(self.samples, self.want, strict=True)
        ]
        return relative(float(np.max(errors)), self.spread)

    def report(
        self,
        float32: dict[str, str],
        float16: dict[str, str],
        int8: list[str],
        tolerance: float,
    ) -> PrecisionReport:
        import onnxruntime

        types = self.types(float32, int8)
        worst, same, positions = 0.0, 0, 0
        overlap: dict[int, list[int]] = {}
        for sample, want in zip(self.samples, self.want, strict=True):
            got, _ = self.run(sample, types)
            difference = float(np.abs(got - want).max())
            worst = difference if np.isnan(difference) else max(worst, difference)
            a, b = labels_of(want), labels_of(got)
            same += int((a == b).sum())
            positions += a.size
            for label in np.unique(np.concatenate([a.ravel(), b.ravel()])):
                counts = overlap.setdefault(int(label), [0, 0])
                counts[0] += 2 * int(((a == label) & (b == label)).sum())
                counts[1] += int((a == label).sum()) + int((b == label).sum())
        return PrecisionReport(
            max_abs_error=worst,
            relative_error=relative(worst, self.spread),
            label_agreement=same / positions,
            dice=min(both / total for both, total in overlap.values()),
            samples=len(self.samples),
            tolerance=tolerance,
            float32_layers=float32,
            float16_layers=float16,
            int8_layers=tuple(int8),
            types=types,
            scales=self.scales,
            computed_by=f"onnxruntime {onnxruntime.__version__} on the CPU",
        )
