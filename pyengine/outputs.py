"""Named results: from the planes that a network gives to arrays of the size of each result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyengine import _core
from pyengine.arguments import KINDS, OUTPUTS, choice, number
from pyengine.entropy import uncertainty

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class NamedOutput:
    """One result of a network that has several, or that has another resolution than the image.

    Attributes
    ----------
    name : str
        The source network's.
    first_plane, planes : int
        Which planes of the network's output it is made of; these have the image's resolution.
    activation : {"softmax", "sigmoid", "none"}
        From its logits to its probabilities.
    in_network : bool
        Whether the source network itself ends in it.
    shrink : int
        It has one pixel for so many pixels of the image, along each axis.
    enlarge : int
        It has so many pixels for one of the image, along each axis.
    """

    name: str
    first_plane: int
    planes: int
    activation: str = "none"
    in_network: bool = False
    shrink: int = 1
    enlarge: int = 1

    @property
    def channels(self) -> int:
        """Of the result."""
        return self.planes // self.enlarge**2

    def of(self, planes: Array) -> Array:
        """The result, (..., K, H', W'), from all planes of the network, (..., P, H, W)."""
        own = planes[..., self.first_plane : self.first_plane + self.planes, :, :]
        if self.shrink > 1:
            own = np.ascontiguousarray(own[..., :: self.shrink, :: self.shrink])
        r = self.enlarge
        if r == 1:
            return own
        *batch, _, height, width = own.shape
        # Planes are pixel of the block * channels + channel.
        blocks = own.reshape(*batch, r, r, self.channels, height, width)
        n = len(batch)
        order = (*range(n), n + 2, n + 3, n, n + 4, n + 1)
        return blocks.transpose(order).reshape(*batch, self.channels, height * r, width * r)

    def folded(self, result: Array) -> Array:
        """The planes of this output, (N, P, H, W), from the result, (N, K, H', W')."""
        if self.shrink > 1:
            return result.repeat(self.shrink, 2).repeat(self.shrink, 3)
        r = self.enlarge
        if r == 1:
            return result
        n, k, height, width = result.shape
        blocks = result.reshape(n, k, height // r, r, width // r, r).transpose(0, 3, 5, 1, 2, 4)
        return blocks.reshape(n, r * r * k, height // r, width // r)


def named_outputs(manifest: Mapping[str, Any]) -> tuple[NamedOutput, ...]:
    """As an engine file lists them; none where there is one of the image's resolution."""
    return tuple(NamedOutput(**entry) for entry in manifest.get("outputs", ()))


def arrays_of(results: Array | Sequence[Array]) -> list[Array]:
    """What a network of one output or several returns, as a list."""
    return [results] if isinstance(results, np.ndarray) else list(results)


def fold(results: Array | Sequence[Array], outputs: Sequence[NamedOutput]) -> Array:
    """One array (N, P, H, W) of all planes from the source network's results, in order."""
    arrays = arrays_of(results)
    if not outputs:
        return np.asarray(arrays[0], np.float32)
    if len(arrays) != len(outputs):
        raise ValueError(
            f"the network returned {len(arrays)} arrays, its outputs are "
            + ", ".join(repr(one.name) for one in outputs)
        )
    pairs = zip(outputs, arrays, strict=True)
    planes = [one.folded(np.asarray(array, np.float32)) for one, array in pairs]
    return planes[0] if len(planes) == 1 else np.concatenate(planes, 1)


def wanted(
    outputs: Sequence[NamedOutput],
    asked: str | Sequence[str],
    head: Mapping[str, Any],
    threshold: float | None = None,
) -> tuple[_core.OutputKind, Callable[[Array], Any]]:
    """What to ask the core for, and how its answer becomes what the caller asked for.

    Parameters
    ----------
    outputs : sequence of NamedOutput
        Of the network; empty where there is one of the image's resolution.
    asked : str or sequence of str
        A kind of result ("labels", "probabilities", "logits" or "uncertainty"), a name, or several
        names.
    head : mapping
        Of the manifest.
    threshold : float, optional
        Of probabilities, for labels; see `labels_above`.

    Raises
    ------
    ValueError
        What is neither a kind nor a name.
    """
    if threshold is not None:
        return _above(outputs, asked, head, threshold)
    if not isinstance(asked, str) and isinstance(asked, Sequence) and asked:
        several = [find(outputs, name) for name in asked]
        return _core.OutputKind.probabilities, lambda planes: tuple(o.of(planes) for o in several)
    names = [one.name for one in outputs]
    if asked == "uncertainty":
        return _core.OutputKind.probabilities, _uncertainty_of(outputs, head)
    if asked not in (*KINDS, *names) and names:
        raise ValueError(f"output {asked!r} is none of {', '.join((*KINDS, *names))}")
    if not outputs:
        return choice("output", asked, _core.OutputKind), lambda result: result  # type: ignore[arg-type]
    if asked not in OUTPUTS:
        return _core.OutputKind.probabilities, find(outputs, str(asked)).of
    kind = choice("output", str(asked), _core.OutputKind)
    if len(outputs) > 1:
        return kind, lambda planes: {one.name: one.of(planes) for one in outputs}
    (one,) = outputs
    if asked != "labels":
        return kind, one.of
    if one.enlarge == 1:
        step = one.shrink
        return kind, lambda labels: np.ascontiguousarray(labels[::step, ::step])
    rule = head.get("labels", "highest")
    return _core.OutputKind.logits, lambda planes: labels_of(one.of(planes), rule)


def _uncertainty_of(
    outputs: Sequence[NamedOutput], head: Mapping[str, Any]
) -> Callable[[Array], Any]:
    if len(outputs) > 1:
        names = ", ".join(repr(one.name) for one in outputs)
        raise ValueError(
            f"uncertainty is of one result, this network has {names}; give pyengine.uncertainty "
            "the probabilities of one"
        )
    activation = outputs[0].activation if outputs else head["activation"]
    uncertainty(np.zeros((1, 0, 0), np.float32), activation)  # refuses what is no probability
    of = outputs[0].of if outputs else lambda planes: planes
    return lambda planes: uncertainty(of(planes), activation)


def labels_of(logits: Array, rule: str = "highest") -> Array:
    """Labels (H, W) from logits (K, H, W), by the rule of the engine file's manifest."""
    if rule == "regions":
        above = logits > 0
        last = len(logits) - above[::-1].argmax(0)
        return np.where(above.any(0), last, 0).astype(np.uint8)
    labels: Array = logits[0] > 0 if len(logits) == 1 else logits.argmax(0)
    return labels.astype(np.uint8)


def _above(
    outputs: Sequence[NamedOutput],
    asked: str | Sequence[str],
    head: Mapping[str, Any],
    threshold: float,
) -> tuple[_core.OutputKind, Callable[[Array], Any]]:
    """`wanted` with a threshold, which not every network has a use for."""
    level = number("threshold", threshold)
    if not 0 < level < 1:
        raise ValueError(f"threshold must be a probability between 0 and 1, got {threshold!r}")
    if asked != "labels":
        raise ValueError(f"threshold is for output 'labels', got {asked!r}")
    if len(outputs) > 1:
        raise ValueError("threshold: a network with several named results has no labels")
    activation = outputs[0].activation if outputs else head["activation"]
    planes = outputs[0].channels if outputs else None
    highest = head.get("labels", "highest") == "highest"

    def pick(probabilities: Array) -> Array:
        scores = outputs[0].of(probabilities) if outputs else probabilities
        return labels_above(scores, level, activation, highest)

    if planes is not None:
        labels_above(np.empty((planes, 0, 0), np.float32), level, activation, highest)
    return _core.OutputKind.probabilities, pick


def labels_above(
    probabilities: Array, threshold: float, activation: str, highest: bool
) -> npt.NDArray[np.uint8]:
    """Labels (H, W) from probabilities (K, H, W): background 0 where none is above `threshold`.

    Of regions (several sigmoids) the last above it wins, as 1 + its number. One sigmoid, or the
    second of two classes of a softmax, is the foreground, 1.

    Raises
    ------
    ValueError
        More classes that exclude one another: the highest wins, whatever its probability.
    """
    classes = len(probabilities)
    if classes == 2 and activation == "softmax":
        probabilities = probabilities[1:]
    elif activation != "sigmoid" or (highest and classes > 1):
        raise ValueError(
            f"threshold: of this network's {classes} classes ({activation}) the most probable is "
            "the label; a threshold needs sigmoids whose labels are regions, or two classes"
        )
    above = probabilities > threshold
    last = len(above) - above[::-1].argmax(0)
    return np.where(above.any(0), last, 0).astype(np.uint8)


def find(outputs: Sequence[NamedOutput], name: str) -> NamedOutput:
    """The output of that name; ValueError lists those that there are."""
    for one in outputs:
        if one.name == name:
            return one
    if not outputs:
        raise ValueError(f"output {name!r}: this network has one result, which has no name")
    known = ", ".join(repr(one.name) for one in outputs)
    raise ValueError(f"output {name!r} is not one of this network's: {known}")
