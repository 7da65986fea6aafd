"""Which layers may compute in float16: found by running them so, before any plan is built."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine.builder.onnx_export import INPUT, export_onnx
from pyengine.builder.sources import require

_LARGEST = float(np.finfo(np.float16).max)
_TOLERANCE = 1e-2

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PrecisionReport:
    """How far a network in float16 lies from the same in float32.

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
    computed_by : str
        What computed in float16; the plan itself needs a GPU.
    """

    max_abs_error: float
    relative_error: float
    label_agreement: float
    dice: float
    samples: int
    tolerance: float
    float32_layers: dict[str, str]
    computed_by: str

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.relative_error <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)

    def __str__(self) -> str:
        kept = f", {len(self.float32_layers)} layer(s) in float32" if self.float32_layers else ""
        return (
            f"max |difference| from float32 {self.max_abs_error:.3g} = {self.relative_error:.3g} of "
            f"the range (tolerance {self.tolerance:g}), labels agree on "
            f"{100 * self.label_agreement:.4f} %, lowest Dice {self.dice:.4f}{kept}"
        )


def choose_layers(
    graph_json: str,
    weights: dict[str, npt.NDArray[Any]],
    samples: Sequence[Array],
    tolerance: float | None = None,
) -> PrecisionReport:
    """Keep as few layers in float32 as range and accuracy need.

    Layers stay in float32 if their weights, inputs or results exceed what float16 can hold
    (65504) on any sample. If the logits still differ by more than the tolerance, the layers that
    bring the largest error alone follow, one after the other.

    Parameters
    ----------
    graph_json : str
        As in the engine file.
    weights : dict of ndarray
    samples : sequence of ndarray of float32, shape (N, C, H, W)
        Network inputs.
    tolerance : float, optional
        Largest |difference|, as a fraction of the float32 logits' range. Default 1e-2.

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
    limit = _TOLERANCE if tolerance is None else tolerance
    if not samples:
        raise ValueError("float16 needs at least one sample to be checked on")
    trial = _Trial(json.loads(graph_json), weights, samples)
    kept = trial.out_of_range()
    error = trial.error(kept)
    while not np.isfinite(error):
        found = trial.first_not_finite(kept)
        if not found:
            break
        kept |= dict.fromkeys(found, "gives values that are not finite in float16")
        error = trial.error(kept)
    if np.isfinite(error) and error > limit:
        alone = {
            group: trial.error(dict.fromkeys(trial.layers - set(group), ""))
            for group in trial.groups()
            if not kept.keys() >= set(group)
        }
        for group in sorted(alone, key=lambda g: -alone[g]):
            why = f"alone in float16 it changes the logits by {alone[group]:.2g} of their range"
            kept |= {layer: why for layer in group if layer not in kept}
            error = trial.error(kept)
            if error <= limit:
                break
    return trial.report(kept, limit)


class _Trial:
    """A network in float32, and in float16 but for some layers, on the same inputs."""

    def __init__(
        self, graph: dict[str, Any], weights: dict[str, npt.NDArray[Any]], samples: Sequence[Array]
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.samples = samples
        self.nodes = graph["nodes"]
        self.opened: tuple[frozenset[str] | None, bool] | None = None
        self.session: Any = None
        self.layers = {node["name"] for node in self.nodes}
        self.largest: dict[str, float] = {
            graph["input"]["name"]: max(float(np.abs(s).max()) for s in samples)
        }
        self.want: list[Array] = []
        for sample in samples:
            logits, layers = self.run(sample, None, expose=True)
            if not np.isfinite(logits).all():
                raise ValueError("the network's float32 output holds NaN or infinity")
            self.want.append(logits)
            for node, values in zip(self.nodes, layers, strict=True):
                peak = max(float(np.abs(values).max()), self.largest.get(node["output"], 0.0))
                self.largest[node["output"]] = peak
        self.spread = max(float(w.max()) for w in self.want) - min(
            float(w.min()) for w in self.want
        )

    def run(
        self, sample: Array, float32_layers: Collection[str] | None, expose: bool = False
    ) -> tuple[Array, list[Array]]:
        key = None if float32_layers is None else frozenset(float32_layers), expose
        if key != self.opened:  # one session at a time: each holds the network's weights
            self.session = self.open(float32_layers, expose)
            self.opened = key
        kind = np.float16 if "float16" in self.session.get_inputs()[0].type else np.float32
        with np.errstate(over="ignore"):
            found = self.session.run(None, {INPUT: sample.astype(kind)})
        return found[0], found[1:]

    def open(self, float32_layers: Collection[str] | None, expose: bool) -> Any:
        import onnxruntime

        model = export_onnx(self.graph, self.weights, float32_layers, expose)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

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
            _, layers = self.run(sample, kept, expose=True)
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

    def error(self, kept: dict[str, str]) -> float:
        """Largest |difference| from float32 as a fraction of the range; NaN and infinity stay."""
        errors = [
            float(np.abs(self.run(sample, kept)[0] - want).max())
            for sample, want in zip(self.samples, self.want, strict=True)
        ]
        worst = float(np.max(errors))
        return worst / self.spread if self.spread > 0 else (0.0 if worst == 0 else np.inf)

    def report(self, kept: dict[str, str], tolerance: float) -> PrecisionReport:
        import onnxruntime

        worst, same, positions = 0.0, 0, 0
        overlap: dict[int, list[int]] = {}
        for sample, want in zip(self.samples, self.want, strict=True):
            got, _ = self.run(sample, kept)
            difference = float(np.abs(got - want).max())
            worst = difference if np.isnan(difference) else max(worst, difference)
            a, b = (
                (v[:, 0] > 0).astype(int) if v.shape[1] == 1 else v.argmax(1) for v in (want, got)
            )
            same += int((a == b).sum())
            positions += a.size
            for label in np.unique(np.concatenate([a.ravel(), b.ravel()])):
                counts = overlap.setdefault(int(label), [0, 0])
                counts[0] += 2 * int(((a == label) & (b == label)).sum())
                counts[1] += int((a == label).sum()) + int((b == label).sum())
        return PrecisionReport(
            max_abs_error=worst,
            relative_error=worst / self.spread if self.spread > 0 else worst,
            label_agreement=same / positions,
            dice=min(both / total for both, total in overlap.values()),
            samples=len(self.samples),
            tolerance=tolerance,
            float32_layers=kept,
            computed_by=f"onnxruntime {onnxruntime.__version__} on the CPU",
        )
