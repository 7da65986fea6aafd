from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import Never

__version__: str

class EngineError(RuntimeError): ...
class EngineFileError(ValueError): ...
class UnsupportedError(ValueError): ...
class CancelledError(RuntimeError): ...

# What pybind11 makes classes with; it cannot be imported.
class _BoundType(type): ...

class _Words(metaclass=_BoundType):
    """One of the core's enumerations; its names are what users say."""

    __members__: ClassVar[dict[str, Any]]
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...
    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __ne__(self, other: object) -> bool: ...
    def __getstate__(self) -> int: ...
    def __setstate__(self, state: int) -> None: ...

class PixelType(_Words):
    uint8: ClassVar[PixelType]
    uint16: ClassVar[PixelType]
    float32: ClassVar[PixelType]
    int8: ClassVar[PixelType]
    int16: ClassVar[PixelType]
    uint32: ClassVar[PixelType]
    int32: ClassVar[PixelType]
    float64: ClassVar[PixelType]
    uint12_low_first: ClassVar[PixelType]
    uint12_high_first: ClassVar[PixelType]

class Accuracy(_Words):
    default: ClassVar[Accuracy]
    fast: ClassVar[Accuracy]
    reproducible: ClassVar[Accuracy]

class OnMismatch(_Words):
    raise_: ClassVar[OnMismatch]
    rebuild: ClassVar[OnMismatch]
    cpu: ClassVar[OnMismatch]

class TileMode(_Words):
    exact: ClassVar[TileMode]
    constant: ClassVar[TileMode]
    gaussian: ClassVar[TileMode]
    nnunet: ClassVar[TileMode]

class OutputKind(_Words):
    labels: ClassVar[OutputKind]
    probabilities: ClassVar[OutputKind]
    logits: ClassVar[OutputKind]

class FramePolicy(_Words):
    newest: ClassVar[FramePolicy]
    all: ClassVar[FramePolicy]
    reject: ClassVar[FramePolicy]

class LatePolicy(_Words):
    finish: ClassVar[LatePolicy]
    cancel: ClassVar[LatePolicy]

class FrameStatus(_Words):
    done: ClassVar[FrameStatus]
    late: ClassVar[FrameStatus]
    replaced: ClassVar[FrameStatus]
    expired: ClassVar[FrameStatus]
    cancelled: ClassVar[FrameStatus]
    failed: ClassVar[FrameStatus]

class PaddingMode(_Words):
    reflect: ClassVar[PaddingMode]
    replicate: ClassVar[PaddingMode]
    constant: ClassVar[PaddingMode]

class Augmentation(_Words):
    none: ClassVar[Augmentation]
    flips: ClassVar[Augmentation]
    d4: ClassVar[Augmentation]
    mirror: ClassVar[Augmentation]

class Scheduler(metaclass=_BoundType):
    """Decides which of several calls computes."""

    def __init__(self) -> None: ...

class ThreadPolicy(_Words):
    normal: ClassVar[ThreadPolicy]
    fifo: ClassVar[ThreadPolicy]
    round_robin: ClassVar[ThreadPolicy]

class ThreadOptions(metaclass=_BoundType):
    """What a host wishes of threads; `pyengine.threads` makes it."""

    def __init__(
        self, name: str = "", cores: list[int] = ..., policy: ThreadPolicy = ..., priority: int = 0
    ) -> None: ...

class EngineOptions(metaclass=_BoundType):
    """Made of keywords, whose names are `fields`; `pyengine.arguments` checks them before."""

    fields: ClassVar[tuple[str, ...]]
    def __init__(self, **fields: Any) -> None: ...

class SegmentOptions(metaclass=_BoundType):
    """Made of keywords, whose names are `fields`; `pyengine.arguments` checks them before."""

    fields: ClassVar[tuple[str, ...]]
    def __init__(self, **fields: Any) -> None: ...

class BorrowedImage(metaclass=_BoundType):
    def __init__(self, array: npt.NDArray[Any], first_row: int = 0, height: int = 0) -> None: ...
    @staticmethod
    def on_device(
        pointer: int,
        type: PixelType,
        shape: tuple[int, int, int],
        strides_bytes: tuple[int, int, int],
        owner: object,
    ) -> BorrowedImage: ...

class DeviceMemory(metaclass=_BoundType):
    def __init__(self, *args: Never, **kwargs: Never) -> None: ...  # see Engine.allocate_on_device
    @property
    def pointer(self) -> int: ...

class DlpackArray(metaclass=_BoundType):
    def __init__(self, capsule: object) -> None: ...
    @property
    def pointer(self) -> int: ...
    @property
    def typestr(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> tuple[int, int]: ...

class ImageStatistics(metaclass=_BoundType):
    def __init__(self, *args: Never, **kwargs: Never) -> None: ...  # see Engine.statistics
    def needs_image(self) -> bool: ...
    def see(self, rows: BorrowedImage) -> None: ...

class Engine(metaclass=_BoundType):
    def __init__(
        self,
        path: str,
        options: EngineOptions,
        callable: Callable[..., Any] | None = None,
        halo: int = 0,
        alignment: int = 0,
    ) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def plan(self, height: int, width: int, options: SegmentOptions) -> dict[str, Any]: ...
    def prepare(self, height: int, width: int, options: SegmentOptions) -> None: ...
    def memory(self) -> dict[str, int]: ...
    def trim(self) -> None: ...
    def segment(
        self, image: BorrowedImage, kind: OutputKind, options: SegmentOptions
    ) -> npt.NDArray[Any]: ...
    def segment_volume(
        self, slices: BorrowedImage, depth: int, kind: OutputKind, options: SegmentOptions
    ) -> npt.NDArray[Any]: ...
    def segment_slabs(
        self,
        slices: BorrowedImage,
        depth: int,
        kind: OutputKind,
        options: SegmentOptions,
        slab: Callable[[npt.NDArray[Any]], None],
    ) -> None: ...
    def band_rows(
        self, size: tuple[int, int], band: tuple[int, int], options: SegmentOptions
    ) -> tuple[int, int]: ...
    def segment_band(
        self,
        rows: BorrowedImage,
        kind: OutputKind,
        band: tuple[int, int],
        options: SegmentOptions,
        statistics: ImageStatistics | None = None,
    ) -> npt.NDArray[Any]: ...
    def statistics(self, height: int) -> ImageStatistics: ...
    def segment_on_device(
        self,
        image: BorrowedImage,
        kind: OutputKind,
        out: int,
        stream: int,
        options: SegmentOptions,
    ) -> None: ...
    def classify(self, image: BorrowedImage) -> tuple[int, npt.NDArray[np.float32]]: ...
    def normalise(self, image: BorrowedImage) -> npt.NDArray[np.float32]: ...
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
    def run_volume(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...
    def profile(self, size: Sequence[int], passes: int) -> list[dict[str, Any]]: ...
    def allocate_on_device(self, bytes: int) -> DeviceMemory: ...
    def stream_wait(self, stream: int, awaited: int) -> None: ...

class FrameEnd(metaclass=_BoundType):
    """Times are nanoseconds of `time.monotonic_ns`."""

    def __init__(self, *args: Never, **kwargs: Never) -> None: ...  # see Stream.wait
    def check(self) -> None: ...
    @property
    def token(self) -> Any: ...
    @property
    def data(self) -> npt.NDArray[Any] | None: ...
    @property
    def number(self) -> int: ...
    @property
    def status(self) -> FrameStatus: ...
    @property
    def submit_ns(self) -> int: ...
    @property
    def begin_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...

class Stream(metaclass=_BoundType):
    def __init__(
        self,
        engine: Engine,
        *,
        height: int,
        width: int,
        slices: int,
        type: PixelType,
        policy: FramePolicy,
        copy: bool,
        queue: int,
        output: OutputKind,
        deadline_ns: int,
        late: LatePolicy,
        statistics: int,
        segment: SegmentOptions,
        thread: ThreadOptions,
        progress: Callable[[Any, int, int], bool] | None,
    ) -> None: ...
    def submit(
        self,
        image: BorrowedImage,
        slices: int,
        slice_stride_bytes: int,
        out: npt.NDArray[Any],
        deadline_ns: int,
        token: object,
    ) -> tuple[int, bool, int, Any]: ...
    def wait(self) -> FrameEnd | None: ...
    def cancel(self, number: int) -> None: ...
    def resize(self, height: int, width: int, slices: int) -> None: ...
    def flush(self, timeout_ns: int) -> bool: ...
    def stop(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...

def analyze(graph_json: str, sample_size: Sequence[int]) -> dict[str, Any]: ...
def attachment(path: str, name: str) -> bytes: ...
def border_indices(begin: int, end: int, size: int, mode: PaddingMode) -> list[int]: ...
def executors(library_folders: Sequence[str]) -> list[dict[str, str]]: ...
def check_engine_file(path: str) -> None: ...
def build_plan(
    network: dict[str, Any],
    settings: dict[str, Any],
    library_folders: Sequence[str],
    timing_cache: bytes,
) -> dict[str, Any]: ...
def plan_mismatch(stored: dict[str, Any], wanted: dict[str, Any]) -> str: ...
def dlpack_capsule(
    memory: DeviceMemory, shape: tuple[int, ...], is_float: bool, bits: int, device: int
) -> object: ...
def isas(fast: bool = False) -> list[str]: ...
def multiply_add_rates(isa: str, threads: int, runs: int = 20) -> list[float]: ...
def interleaved_bytes() -> int: ...
