"""The options of engines and of segmentation, once: names, types, checks, and what they mean.

A keyword of `EngineKeywords` or `SegmentKeywords` says how it is checked and which fields of the
core's options it fills. Functions that take such keywords hand them on as ``**options``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, TypeVar, get_type_hints

import numpy as np

from pyengine import _core
from pyengine.foreground import CELL_PX
from pyengine.threads import ThreadOptions, core_engine, core_threads

if TYPE_CHECKING:
    from typing_extensions import Unpack

Output = Literal["labels", "probabilities", "logits"]
Mode = Literal["exact", "gaussian", "constant", "nnunet"]
PaddingMode = Literal["reflect", "replicate", "constant"]
Augmentation = Literal["none", "flips", "d4", "mirror"]
Accuracy = Literal["default", "fast", "reproducible"]
OnMismatch = Literal["raise", "rebuild", "cpu"]

Tile = int | tuple[int, int] | tuple[int, int, int]
Region = tuple[int, int, int, int]
T = TypeVar("T")


@cache
def words(enumeration: Any) -> dict[str, Any]:
    """What users say for the values of one of the core's enumerations."""
    return {name.rstrip("_"): value for name, value in enumeration.__members__.items()}


OUTPUTS = tuple(words(_core.OutputKind))
# What the core gives, and what is made of its probabilities here.
KINDS = (*OUTPUTS, "uncertainty")
ACCURACIES = tuple(words(_core.Accuracy))
MODES = tuple(words(_core.TileMode))
AUGMENTATIONS = tuple(words(_core.Augmentation))

# What the core takes at most of each count; of others, 2**63 - 1.
_MOST = {"threads": 1024, "batch_size": 2**31 - 1, "passes": 2**31 - 1}
# More pixels a side than any image has.
_WHOLE_IMAGE = 2**40


# ---- checks: (name, value) to what the core takes -----------------------------------------------


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def tile_sides(tile: Tile | None) -> tuple[int, int, int]:
    """(depth, height, width) of a tile argument; 0 leaves the choice to the core."""
    if tile is None:
        return 0, 0, 0
    sides = tuple(tile) if isinstance(tile, Sequence) else (tile, tile)
    if len(sides) not in (2, 3) or any(not _is_whole(s) or s < 1 for s in sides):
        raise ValueError(
            "tile must be a positive int, (height, width), or of volumes (depth, height, width), "
            f"got {tile!r}"
        )
    if isinstance(tile, Sequence) and len(sides) == 2:
        sides = (0, *sides)
    elif not isinstance(tile, Sequence):
        sides = (tile, *sides)
    depth, height, width = (min(int(side), _WHOLE_IMAGE) for side in sides)
    return depth, height, width


def region_sides(region: Region | None) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a region argument; all 0 stands for the whole image."""
    if region is None:
        return 0, 0, 0, 0
    sides = tuple(region) if isinstance(region, Sequence) else ()
    if len(sides) != 4 or any(not _is_whole(s) for s in sides) or min(sides) < 0:
        raise ValueError(f"region must be (top, left, height, width) in pixels, got {region!r}")
    if min(sides[2:]) < 1:
        raise ValueError(f"region must have at least 1 x 1 px, got {region!r}")
    top, left, height, width = (min(int(side), _WHOLE_IMAGE) for side in sides)
    return top, left, height, width


def positive(name: str, value: float | None) -> int:
    """A whole number of at least 1; 0 stands for None."""
    if value is None:
        return 0
    if not _is_whole(value) and not (isinstance(value, float) and value.is_integer()):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    most = _MOST.get(name, 2**63 - 1)
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    if value > most:
        raise ValueError(f"{name} must be from 1 to {most}, got {value}")
    return int(value)


def flag(name: str, value: bool) -> bool:
    """True or False, not what Python takes for one of them."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def number(name: str, value: float) -> float:
    """Any real number; the core knows its range."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


def function(name: str, value: Callable[..., T] | None) -> Callable[..., T] | None:
    """Something to call, or None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, got {value!r}")
    return value


def scheduler_or_none(name: str, value: _core.Scheduler | None) -> _core.Scheduler | None:
    """A scheduler, or None."""
    if value is not None and not isinstance(value, _core.Scheduler):
        raise TypeError(f"{name} must be a pyengine.Scheduler, got {value!r}")
    return value


def whole(name: str, value: int) -> int:
    """Any whole number of 32 bits."""
    if not _is_whole(value):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{name} must be from -2**31 to 2**31 - 1, got {value}")
    return int(value)


def choice(name: str, value: str, enumeration: Callable[[int], T]) -> T:
    """The value of one of the core's enumerations that a word stands for."""
    known: dict[str, T] = words(enumeration)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    return known[value]


def one_of(enumeration: Any) -> Callable[[str, str], Any]:
    """`choice` among the values of `enumeration`."""
    return lambda name, value: choice(name, value, enumeration)


# ---- the tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """A keyword: its default, its check, and the fields of the core's options that it fills."""

    default: Any
    check: Callable[[str, Any], Any]
    fields: tuple[str, ...]
    """Several take the items of the checked value."""


class EngineKeywords(TypedDict, total=False):
    """How an engine is opened.

    threads : int, optional
        Threads of one call, the calling one included, 1 to 1024. Default: every core that affinity
        and CPU limits (of a container, say) leave to the process; hardware threads of one core
        count once.
    accuracy : {"default", "fast", "reproducible"}
        "default" rounds about as much as any float32 convolution. "fast" rounds more in 3x3 layers:
        by larger blocks (F(6x6) instead of F(4x4)) where there are fewer than 256 channels, a few
        times as much; on a processor with AMX by products of numbers split into two bfloat16, tens
        of times as much. "reproducible" is "default" with the same bits on every machine, also
        on a processor without fused multiply-adds, where it takes many times as long; it refuses
        GPUs. Results are exact over tiles in all three.
    pin_threads : bool
        Worker threads stay on one core each; the calling thread is left alone. For machines that
        nothing else uses.
    on_mismatch : {"raise", "rebuild", "cpu"}
        Where no plan fits the GPU that `device` names: refuse, naming what differs; build one for
        this run from the network stored beside a plan, which takes seconds; or run on the CPU.
    thread : ThreadOptions, optional
        Name, cores and priority of the worker threads.
    share_threads : Engine, optional
        Its threads serve this engine, too, and none are started.
    """

    threads: Annotated[int | None, Option(None, positive, ("threads",))]
    accuracy: Annotated[Accuracy, Option("default", one_of(_core.Accuracy), ("accuracy",))]
    pin_threads: Annotated[bool, Option(False, flag, ("pin_threads",))]
    on_mismatch: Annotated[OnMismatch, Option("raise", one_of(_core.OnMismatch), ("on_mismatch",))]
    thread: Annotated[ThreadOptions | None, Option(None, core_threads, ("thread",))]
    share_threads: Annotated[Any, Option(None, core_engine, ("share_threads",))]


_TILE = ("tile_depth_px", "tile_height_px", "tile_width_px")


class SegmentKeywords(TypedDict, total=False):
    """How one image is segmented.

    tile : int, (int, int) or (int, int, int), optional
        Output tile in pixels, of volumes with the slices first, rounded up to where tiles may begin (the alignment or four times it).
        Default: chosen by a cost model under `max_memory`. The result does not depend on it in
        "exact" mode.
    batch_size : int, optional
        Tiles per network call. Default: 1 on the CPU, on a GPU as many as its plan takes.
    max_memory : int, optional
        Working memory beside image and result, in bytes. Default: 1 GiB. What it does not hold of
        a network without exact tiles lies in a file without a name, in the folder ``TMPDIR``, else
        in ``/var/tmp``; OSError where that has no room.
    mode : {"exact", "gaussian", "constant", "nnunet"}
        "exact" gives every pixel its full context. The others average the logits of overlapping
        windows, for networks that cannot be tiled exactly. "nnunet" does so as nnU-Net: windows of
        the size that the engine file names (or `tile`), at most half a window apart whatever the
        `overlap`, its Gaussian, zeros beyond the image; on the CPU.
    overlap : float
        Blending only: fraction of the tile if < 1, else pixels.
    padding_mode : {"reflect", "replicate", "constant"}
        What stands for pixels beyond the image: the mirrored image, its edge, or zero after
        normalisation.
    one_thread : bool
        On the CPU: the call stays on the caller's thread. For callers that segment one image per
        thread of their own; the result is the same.
    tta : {"none", "flips", "d4", "mirror"}
        Test-time augmentation: the mean of the logits over the image and its flips (4 passes), or
        all its flips and quarter turns (8). Takes as many times as long, and two sets of logits of
        the image in memory. For networks trained on such views.
        "mirror" flips along the axes that the engine file names; in mode "nnunet" each window.
    cancelled : callable, optional
        Asked about every 5 ms while the CPU computes, within a tile too; `CancelledError` is
        raised once it returns True. Such as the method ``is_set`` of a `threading.Event`.
    scheduler : Scheduler, optional
        Calls that name one scheduler compute one at a time, whatever their engines: the one of the
        highest priority first, among equals the one that waited longest. A call of higher priority
        takes over between two operations of another. Default: calls share the threads as it comes.
    priority : int
        Among the calls of the scheduler; higher ones first.
    source_scale : float
        A pixel's value is raw * `source_scale` + `source_offset`: for images on another scale than
        the network's.
    source_offset : float
        See `source_scale`.
    region : (int, int, int, int), optional
        Region of interest: top, left, height and width in pixels. The result is that part of the
        image alone, bit for bit as in the whole; in "exact" mode without `tta` only what it needs
        is computed. Default: the whole image.
    check_finite : bool
        `FloatingPointError` is raised where NaN or infinity arises in the network, naming the
        first layer that gave it (of another executor, its result). On the CPU; reads each layer's
        result once more.
    every_tile : bool
        In "exact" mode on the CPU a part of a tile whose whole window is one constant is computed
        once and copied where it comes again, with the same bits. True: all is computed.
    """

    tile: Annotated[
        Tile | None,
        Option(None, lambda _, tile: tile_sides(tile), _TILE),
    ]
    batch_size: Annotated[int | None, Option(None, positive, ("batch_size",))]
    max_memory: Annotated[int | None, Option(None, positive, ("max_memory_bytes",))]
    mode: Annotated[Mode, Option("exact", one_of(_core.TileMode), ("mode",))]
    overlap: Annotated[float, Option(0.25, number, ("overlap",))]
    padding_mode: Annotated[PaddingMode, Option("reflect", one_of(_core.PaddingMode), ("padding",))]
    one_thread: Annotated[bool, Option(False, flag, ("one_thread",))]
    tta: Annotated[Augmentation, Option("none", one_of(_core.Augmentation), ("augmentation",))]
    cancelled: Annotated[Callable[[], bool] | None, Option(None, function, ("cancelled",))]
    scheduler: Annotated[_core.Scheduler | None, Option(None, scheduler_or_none, ("scheduler",))]
    priority: Annotated[int, Option(0, whole, ("priority",))]
    source_scale: Annotated[float, Option(1.0, number, ("source_scale",))]
    source_offset: Annotated[float, Option(0.0, number, ("source_offset",))]
    region: Annotated[
        Region | None,
        Option(
            None,
            lambda _, region: region_sides(region),
            ("region_top_px", "region_left_px", "region_height_px", "region_width_px"),
        ),
    ]
    check_finite: Annotated[bool, Option(False, flag, ("check_finite",))]
    every_tile: Annotated[bool, Option(False, flag, ("every_tile",))]


@cache
def table(keywords: type) -> dict[str, Option]:
    """The options of `EngineKeywords` or `SegmentKeywords` by name."""
    hints = get_type_hints(keywords, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


# ---- keywords to the core's options ---------------------------------------------------------------


def engine_options(
    device: str, library_folders: Sequence[str], **given: Unpack[EngineKeywords]
) -> _core.EngineOptions:
    """Checked options of an engine; raises TypeError or ValueError with the name and the rule."""
    fields = _checked(EngineKeywords, given)
    return _core.EngineOptions(device=device, library_folders=list(library_folders), **fields)


def segment_options(
    progress: Callable[[int, int], bool | None] | None = None,
    foreground: Sequence[int] = (),
    report: Callable[[int, int, int], None] | None = None,
    **given: Unpack[SegmentKeywords],
) -> _core.SegmentOptions:
    """Checked options of one image; raises TypeError or ValueError with the name and the rule.

    `foreground` is as `foreground_cells` gives it.
    """
    return _core.SegmentOptions(
        progress=progress,
        foreground=foreground,
        foreground_cell_px=CELL_PX if foreground else 0,
        report=function("report", report),
        **_checked(SegmentKeywords, given),
    )


def segment_fields(**given: Unpack[SegmentKeywords]) -> dict[str, Any]:
    """The checked fields of `segment_options`, for whoever adds to them."""
    return _checked(SegmentKeywords, given)


def has_scale(options: SegmentKeywords) -> bool:
    """Whether pixels become values by a scale or an offset of the caller's."""
    return options.get("source_scale", 1.0) != 1 or options.get("source_offset", 0.0) != 0


def _checked(keywords: type, given: Mapping[str, Any]) -> dict[str, Any]:
    known = table(keywords)
    for name in given.keys() - known.keys():
        raise TypeError(f"unknown option {name!r}; known: {', '.join(known)}")
    fields: dict[str, Any] = {}
    for name, option in known.items():
        value = option.check(name, given.get(name, option.default))
        values = value if len(option.fields) > 1 else (value,)
        fields.update(zip(option.fields, values, strict=True))
    return fields


def documented(keywords: type) -> Callable[[T], T]:
    """Decorator for functions and classes that take the keywords as ``**options``.

    Their help shows each by name and default, and explains it in place of ``**options : NAME``.
    """

    def decorate(described: T) -> T:
        signature = inspect.signature(described)  # type: ignore[arg-type]
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
            for name, option in table(keywords).items()
        ]
        described.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        _, _, entries = inspect.cleandoc(keywords.__doc__ or "").partition("\n\n")
        text = inspect.cleandoc(described.__doc__ or "")
        described.__doc__ = text.replace(f"**options : {keywords.__name__}", entries)
        return described

    return decorate
