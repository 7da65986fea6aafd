"""Does the engine compute what its source computes?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import number
from pyengine.builder.container import refuse_engine_file
from pyengine.builder.outputs import choose_outputs
from pyengine.checks import check_image
from pyengine.engine import Engine
from pyengine.html import bar, html_facts
from pyengine.inputs.registry import load_source
from pyengine.inputs.source import Array, Network, SourceKeywords, check_shape, parity_samples
from pyengine.outputs import arrays_of

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class BuildReport:
    """Parity of an engine with its source network.

    Attributes
    ----------
    max_abs_error : float
        Largest difference of any output value.
    output_range : float
        Largest less smallest output value of the source network.
    relative_error : float
        Their ratio, which is what the tolerance bounds.
    label_agreement : float
        Share of positions with the same highest output, 0 to 1.
    samples : int
        Inputs compared.
    tolerance : float
    by_output : dict of float
        The relative error of each named result; `relative_error` is the largest.
    fixed_size : str
        Why the engine is for the sample's size alone; empty if it is not.
    why_not_cpu : str
        Why the network is kept as ONNX for onnxruntime; empty if the CPU engine runs it.
    frozen : dict
        With frozen statistics: ``relative_error`` and ``label_agreement`` of what was written with
        the source, over so many ``images``. All else tells of the network before.
    notes : tuple of str
        What was changed in the network before it was compared, one sentence each.
    """

    max_abs_error: float
    output_range: float
    relative_error: float
    label_agreement: float
    samples: int
    tolerance: float
    by_output: dict[str, float] = field(default_factory=dict)
    fixed_size: str = ""
    why_not_cpu: str = ""
    frozen: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.relative_error <= self.tolerance

    def _repr_html_(self) -> str:
        facts = [
            (
                "relative error",
                f"{self.relative_error:.2e}, at most {self.tolerance:.0e} is allowed",
            ),
            *((f"of {name}", f"{error:.2e}") for name, error in self.by_output.items()),
            ("labels agree", bar(self.label_agreement)),
            ("inputs compared", self.samples),
            ("sizes", self.fixed_size or "any"),
            (
                "runs on",
                f"onnxruntime: {self.why_not_cpu}" if self.why_not_cpu else "the CPU engine",
            ),
            *(("note", note) for note in self.notes),
        ]
        return html_facts("Parity: " + ("passed" if self.passed else "FAILED"), facts)

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        optional = ("by_output", "fixed_size", "why_not_cpu", "frozen", "notes")
        return {k: v for k, v in asdict(self).items() if k not in optional or v}

    def __str__(self) -> str:
        return (
            f"max |difference| {self.max_abs_error:.3g} = {self.relative_error:.3g} of the range "
            f"{self.output_range:.3g} (tolerance {self.tolerance:g}), labels agree on "
            f"{100 * self.label_agreement:.4f} % over {self.samples} sample(s)"
            + (
                f"; with frozen statistics {self.frozen['relative_error']:.3g}, labels agree on "
                f"{100 * self.frozen['label_agreement']:.4f} %"
                if self.frozen
                else ""
            )
            + "".join(f"; {name}: {error:.3g}" for name, error in self.by_output.items())
            + "".join(f"; {note}" for note in self.notes)
        )


def check_tolerance(tolerance: float | None) -> None:
    """Refuse what is no tolerance; TypeError or ValueError."""
    if tolerance is not None and not 0 <= number("tolerance", tolerance) < np.inf:
        raise ValueError(f"tolerance must be a finite number >= 0, got {tolerance}")


def compare(
    engine: Engine, network: Network, samples: Iterable[Array], tolerance: float
) -> BuildReport:
    """Run both on the same inputs, and compare each result with its own range.

    Raises
    ------
    ValueError
        The outputs differ in shape, or the source's output holds NaN.
    """
    outputs = engine.info.results
    found = [_Difference() for _ in outputs or (None,)]
    count = 0
    for sample in samples:
        pairs = zip(arrays_of(network(sample)), arrays_of(engine.run(sample)), strict=True)
        for difference, (want, got) in zip(found, pairs, strict=True):
            if want.ndim == 2:
                want = want.reshape(*want.shape, *[1] * (got.ndim - 2))
            if want.shape != got.shape:
                raise ValueError(
                    f"outputs differ in shape: source {want.shape}, engine {got.shape}"
                )
            if not np.isfinite(want).all():
                raise ValueError("the source network's output holds NaN or infinity")
            difference.see(want, got)
        count += 1
    if count == 0:
        raise ValueError("parity needs at least one sample")
    worst = max(found, key=lambda one: one.relative)
    return BuildReport(
        worst.error, worst.high - worst.low, worst.relative,
        sum(one.same for one in found) / sum(one.positions for one in found), count, tolerance,
        {one.name: d.relative for one, d in zip(outputs, found, strict=True)} if outputs else {},
    )  # fmt: skip


class _Difference:
    """Of one result, over all samples."""

    def __init__(self) -> None:
        self.error, self.low, self.high, self.same, self.positions = 0.0, np.inf, -np.inf, 0, 0

    def see(self, want: Array, got: Array) -> None:
        # NaN from the engine must not hide in a maximum.
        error = np.abs(want - got).max()
        self.error = max(self.error, float(np.inf if np.isnan(error) else error))
        self.low, self.high = min(self.low, float(want.min())), max(self.high, float(want.max()))
        labels = labels_of(want)
        self.same += int((labels == labels_of(got)).sum())
        self.positions += labels.size

    @property
    def relative(self) -> float:
        return relative(self.error, self.high - self.low)


def relative(error: float, spread: float) -> float:
    """An error as a fraction of the output's range; NaN stays."""
    return float(error / spread if spread > 0 else (0.0 if error == 0 else np.inf))


def labels_of(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """(N, H, W) labels from (N, K, H, W); a single output tells two classes apart by its sign."""
    return (logits[:, 0] > 0).astype(np.intp) if logits.shape[1] == 1 else logits.argmax(1)


def verify(
    engine: str | os.PathLike[str] | Engine,
    source: Any,
    images: Iterable[npt.NDArray[Any]] | None = None,
    sample_shape: tuple[int, ...] | None = None,
    tolerance: float = 1e-4,
    **source_options: Unpack[SourceKeywords],
) -> BuildReport:
    """Repeat the parity check of `build`, on any images.

    Parameters
    ----------
    engine : path, name or Engine
        What was built.
    source : torch.nn.Module, path or onnx.ModelProto
        What it was built from; see `build`.
    images : iterable of ndarray, optional
        Images as for `Engine.segment`. The upper left part of the network's sample size is
        compared after normalisation; smaller images are mirrored up to it. Default: random inputs.
    sample_shape : tuple of int, optional
        (1, C, H, W); default the one the engine was built with.
    tolerance : float
        Largest |difference| allowed, as a fraction of the output's range.
    **source_options : SourceKeywords
        As in `build`.

    Returns
    -------
    BuildReport
        Check its ``passed``.

    Raises
    ------
    ValueError
        A source that fails on inputs of this shape, an image that does not fit the network, or
        outputs of another shape.
    """
    opened = engine if isinstance(engine, Engine) else Engine(engine)
    spec = opened.info.input
    check_tolerance(tolerance)
    refuse_engine_file(source)
    size = spec["sample_size_px"] if sample_shape is None else check_shape(sample_shape)[2:]
    shape = (1, spec["channels"], *size)
    loaded = load_source(source, shape, **source_options)
    names = opened.info.manifest.get("source_outputs")
    loaded, _ = choose_outputs(loaded, parity_samples(shape)[0], names)
    if images is None:
        return compare(opened, loaded.run, parity_samples(shape), tolerance)
    return compare(opened, loaded.run, network_inputs(opened, images, shape), tolerance)


def network_inputs(
    engine: Engine, images: Iterable[npt.NDArray[Any]], shape: tuple[int, ...]
) -> list[npt.NDArray[np.float32]]:
    """Inputs of `shape` (1, C, H, W) from images as for `Engine.segment`.

    The upper left part of each after normalisation; smaller images are mirrored up to it.

    Raises
    ------
    TypeError, ValueError
        An image that does not fit the network.
    """
    if len(shape) != 4:
        raise ValueError("images are for networks over images; this one is over volumes")
    height, width = shape[2:]
    mirrored = _core.PaddingMode.reflect
    samples = []
    for image in images:
        check_image(image, shape[1])
        planes = engine.normalise(image[:height, :width])
        rows = _core.border_indices(0, height, planes.shape[1], mirrored)
        columns = _core.border_indices(0, width, planes.shape[2], mirrored)
        samples.append(np.ascontiguousarray(planes[:, rows][:, :, columns][None]))
    return samples
