"""Does the engine compute what its source computes?"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import number
from pyengine.builder.container import refuse_engine_file
from pyengine.checks import check_image
from pyengine.engine import Engine
from pyengine.inputs.registry import load_source
from pyengine.inputs.source import SEED, Network, check_shape, random_samples


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
    """

    max_abs_error: float
    output_range: float
    relative_error: float
    label_agreement: float
    samples: int
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.relative_error <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"max |difference| {self.max_abs_error:.3g} = {self.relative_error:.3g} of the range "
            f"{self.output_range:.3g} (tolerance {self.tolerance:g}), labels agree on "
            f"{100 * self.label_agreement:.4f} % over {self.samples} sample(s)"
        )


def check_tolerance(tolerance: float | None) -> None:
    """Refuse what is no tolerance; TypeError or ValueError."""
    if tolerance is not None and not 0 <= number("tolerance", tolerance) < np.inf:
        raise ValueError(f"tolerance must be a finite number >= 0, got {tolerance}")


def compare(
    engine: Engine, network: Network, samples: Iterable[npt.NDArray[np.float32]], tolerance: float
) -> BuildReport:
    """Run both on the same inputs.

    Raises
    ------
    ValueError
        The outputs differ in shape, or the source's output holds NaN.
    """
    worst, low, high, same, positions, count = 0.0, np.inf, -np.inf, 0, 0, 0
    for sample in samples:
        want, got = network(sample), engine.run(sample)
        if want.ndim == 2:
            want = want[:, :, None, None]
        if want.shape != got.shape:
            raise ValueError(f"outputs differ in shape: source {want.shape}, engine {got.shape}")
        if not np.isfinite(want).all():
            raise ValueError("the source network's output holds NaN or infinity")
        # NaN from the engine must not hide in a maximum.
        error = np.abs(want - got).max()
        worst = max(worst, float(np.inf if np.isnan(error) else error))
        low, high = min(low, float(want.min())), max(high, float(want.max()))
        labels = labels_of(want)
        same += int((labels == labels_of(got)).sum())
        positions += labels.size
        count += 1
    if count == 0:
        raise ValueError("parity needs at least one sample")
    spread = high - low
    return BuildReport(worst, spread, relative(worst, spread), same / positions, count, tolerance)


def relative(error: float, spread: float) -> float:
    """An error as a fraction of the output's range; NaN stays."""
    return float(error / spread if spread > 0 else (0.0 if error == 0 else np.inf))


def labels_of(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """(N, H, W) labels from (N, K, H, W); a single output tells two classes apart by its sign."""
    return (logits[:, 0] > 0).astype(np.intp) if logits.shape[1] == 1 else logits.argmax(1)


def check_geometry(
    network: Network, geometry: dict[str, Any], sample_shape: tuple[int, ...]
) -> None:
    """Check halo and alignment by the source network's own response.

    Changing everything outside the window of one tile must not change the tile; moving the image
    by the alignment must move the output by as much.

    Raises
    ------
    UnsupportedError
        The network does not behave as its graph says.
    """
    if not geometry["tileable"]:
        return
    align, halo, margin = geometry["alignment"], geometry["halo"], geometry["margin"]
    context = geometry["before"], geometry["after"]
    # A tile of one alignment cell in the middle, `before` cells from the output's edge.
    before = -(-(halo + align) // align)
    size = (2 * before + 1) * align + 2 * halo
    size += (sample_shape[2] - size) % align
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((1, sample_shape[1], size, size), dtype=np.float32)
    tile = slice(before * align, (before + 1) * align)
    # Output index p is input index p + margin.
    window = slice(tile.start + margin - context[0], tile.stop + margin + context[1])
    other = rng.standard_normal(x.shape, dtype=np.float32) * 3
    other[:, :, window, window] = x[:, :, window, window]
    want, got = network(x), network(other)
    limit = 1e-5 * float(np.ptp(want)) + 1e-12
    inside = np.abs(want[:, :, tile, tile] - got[:, :, tile, tile]).max()
    if not inside <= limit:
        raise _core.UnsupportedError(
            f"halo of {context} px: the graph says that a tile needs no more context, but the source "
            f"network's output changed by {inside:.3g} when pixels outside it changed"
        )
    moved = network(np.ascontiguousarray(np.roll(x, (align, align), (2, 3))))
    to = slice(tile.start + align, tile.stop + align)
    shifted = np.abs(want[:, :, tile, tile] - moved[:, :, to, to]).max()
    if not shifted <= limit:
        raise _core.UnsupportedError(
            f"alignment {align} px: moving the image by it changed the source network's output "
            f"by {shifted:.3g}"
        )


def verify(
    engine: str | os.PathLike[str] | Engine,
    source: Any,
    images: Iterable[npt.NDArray[Any]] | None = None,
    sample_shape: tuple[int, ...] | None = None,
    tolerance: float = 1e-4,
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
    height, width = (
        spec["sample_size_px"] if sample_shape is None else check_shape(sample_shape)[2:]
    )
    shape = (1, spec["channels"], height, width)
    loaded = load_source(source, shape)
    if images is None:
        return compare(opened, loaded.run, random_samples(shape), tolerance)
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
