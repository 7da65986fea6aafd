"""What an input of `build` comes down to: a network as ONNX, and a callable to compare with."""

from __future__ import annotations

import abc
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[np.float32]
# The outputs of a network that has several come as a list, in the order of its ONNX form.
Network = Callable[[Array], Array | list[Array]]

SEED = 2015


class SourceKeywords(TypedDict, total=False):
    """What some kinds of sources need to be told.

    module : str or callable
        For a file of weights: what makes its module, ``"package.module:Class"`` or the class.
    arguments : dict
        Keywords for `module`.
    allow_code : bool
        Run Python code that the source brings along (an architecture of bioimage.io, expressions of
        a MONAI bundle). Default: never.
    configuration : str
        Of an nnU-Net results folder that was trained in several; "2d" where there is one.
    fold : int, "all" or sequence of int
        Of an nnU-Net results folder; the network is the mean of several. Default: all that are
        numbered, as nnU-Net predicts.
    """

    module: str | Callable[..., Any]
    arguments: Mapping[str, Any]
    allow_code: bool
    configuration: str
    fold: int | str | Sequence[int]


@dataclass
class Source:
    """A network to be built.

    Attributes
    ----------
    model : onnx.ModelProto
        The network as ONNX.
    run : callable
        The source network itself on (N, C, H, W) float32, for the parity check. A list of arrays
        where `model` has several outputs.
    sample_shape : tuple of int
        (1, C, H, W)
    description : str
        For provenance.
    manifest : dict
        Fields that the source brings along (checkpoints do).
    doubts : tuple of str
        Why `model` may not be the network for all pixel values, though it is for the sample's:
        what a tracer warned of.
    any_size : bool
        Who made the source vouches that it is one network at all sizes, though `run` may take one.
    notes : tuple of str
        What was changed in `model` that a user should know, one sentence each.
    of_any_size : callable, optional
        Makes the network as ONNX with free height and width, where `model` may have fixed ones.
    expected : list of (ndarray, ndarray)
        Images as for `Engine.segment`, and the probabilities (K, H, W) that the source documents for
        them.
    """

    model: onnx.ModelProto
    run: Network
    sample_shape: tuple[int, ...]
    description: str
    manifest: dict[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    any_size: bool = False
    of_any_size: Callable[[], onnx.ModelProto] | None = None
    expected: list[tuple[npt.NDArray[Any], npt.NDArray[np.float32]]] = field(default_factory=list)


class InputKind(abc.ABC):
    """One kind of network that `build` can read.

    A kind is one file of this package and one row of `registry.INPUT_KINDS`.

    Attributes
    ----------
    title : str
        What it is, with its article; for messages.
    file_title : str
        What its files are called in help texts; empty for what lives in memory only.
    keywords : tuple of str
        Which of `SourceKeywords` it takes.
    """

    title: str
    file_title: str = ""
    keywords: tuple[str, ...] = ()

    @abc.abstractmethod
    def takes(self, source: Any) -> bool:
        """Whether this kind should load `source`. Paths are those of files and folders that exist."""

    @abc.abstractmethod
    def load(
        self, source: Any, sample_shape: tuple[int, ...] | None, options: SourceKeywords
    ) -> Source:
        """Read the network.

        Parameters
        ----------
        source
            What `takes` said yes to.
        sample_shape : tuple of int, optional
            (1, C, H, W), a size that the network accepts, where the source does not say.
        options : SourceKeywords
            Those of `keywords` that were given.

        Raises
        ------
        ImportError
            Names the extra that brings the missing package.
        ValueError
            A source that cannot be used, and why.
        """

    def files(self, source: Any) -> list[Path]:
        """All files that `load` reads."""
        if not is_path(source):
            return []
        path = Path(source)
        return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def is_path(source: Any) -> bool:
    """Whether a source is the name of a file or folder."""
    return isinstance(source, (str, os.PathLike))


def require(module: str, extra: str) -> None:
    """Raise an ImportError that names the extra which brings a missing module."""
    try:
        __import__(module)
    except ImportError as error:
        raise ImportError(
            f"building this source needs '{module}'; install it with "
            f'pip install "pyengine[{extra}]"'
        ) from error


def check_shape(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """A sample shape as (1, C, H, W), or (1, C, D, H, W); refuses anything else."""
    if shape is None:
        raise ValueError("sample_shape=(1, C, H, W) is needed for this source")
    sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else ()
    if len(sizes) not in (4, 5) or sizes[0] != 1 or not all(map(_is_size, sizes)):
        raise ValueError(
            "sample_shape must be (1, C, H, W) with positive sizes, or (1, C, D, H, W) of volumes, "
            f"got {shape!r}"
        )
    return tuple(int(n) for n in sizes)


def _is_size(n: object) -> bool:
    return isinstance(n, (int, float, np.integer, np.floating)) and bool(n >= 1 and n % 1 == 0)


def random_samples(shape: tuple[int, ...], count: int = 2) -> list[Array]:
    """Standard normal inputs, always the same."""
    rng = np.random.default_rng(SEED)
    return [rng.standard_normal(shape, dtype=np.float32) for _ in range(count)]


def parity_samples(shape: tuple[int, ...]) -> list[Array]:
    """Inputs on which an engine is compared with its source: two of noise, one like an image."""
    return [*random_samples(shape), image_like(shape)]


def image_like(shape: tuple[int, ...]) -> Array:
    """An input with the power spectrum of natural images, 1 / f^2, of mean 0 and variance 1.

    Noise has hardly any structure beyond a few pixels: deep layers see the same everywhere.
    """
    rng = np.random.default_rng(SEED)
    height, width = shape[-2:]
    frequency = np.hypot(
        *np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    )
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / frequency
    image = np.fft.irfft2(spectrum, s=(height, width))
    return (image / max(float(image.std()), 1e-12)).astype(np.float32)
