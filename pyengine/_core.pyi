from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__version__: str

class EngineError(RuntimeError): ...
class EngineFileError(ValueError): ...
class UnsupportedError(ValueError): ...
class CancelledError(RuntimeError): ...

class DeviceMemory:
    @property
    def pointer(self) -> int: ...

class DlpackArray:
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

class Engine:
    def __init__(
        self,
        path: str,
        threads: int,
        isa: str,
        callable: Callable[..., Any] | None,
        fast: bool,
        pin_threads: bool,
        device: str,
        on_mismatch: int,
        library_folders: list[str],
    ) -> None: ...
    def info(self) -> dict[str, Any]: ...
    def plan(
        self,
        height: int,
        width: int,
        tile_height: int,
        tile_width: int,
        batch_size: int,
        max_memory: int,
    ) -> dict[str, Any]: ...
    def band_rows(
        self,
        height: int,
        width: int,
        row_begin: int,
        row_end: int,
        tile_height: int,
        tile_width: int,
        batch_size: int,
        max_memory: int,
        padding: int,
    ) -> tuple[int, int]: ...
    def segment(
        self,
        image: npt.NDArray[Any],
        kind: int,
        tile_height: int,
        tile_width: int,
        batch_size: int,
        max_memory: int,
        mode: int,
        overlap: float,
        padding: int,
        progress: Callable[[int, int], bool | None] | None,
        one_thread: bool,
        augmentation: int,
    ) -> npt.NDArray[Any]: ...
    def segment_on_device(
        self,
        data: int,
        type: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        kind: int,
        out: int,
        stream: int,
        tile_height: int,
        tile_width: int,
        batch_size: int,
        max_memory: int,
        padding: int,
    ) -> None: ...
    def allocate_on_device(self, bytes: int) -> DeviceMemory: ...
    def stream_wait(self, stream: int, awaited: int) -> None: ...
    def segment_band(
        self,
        rows: npt.NDArray[Any],
        first_row: int,
        height: int,
        kind: int,
        row_begin: int,
        row_end: int,
        tile_height: int,
        tile_width: int,
        batch_size: int,
        max_memory: int,
        padding: int,
        progress: Callable[[int, int], bool | None] | None,
        augmentation: int,
    ) -> npt.NDArray[Any]: ...
    def profile(self, height: int, width: int, passes: int) -> list[dict[str, Any]]: ...
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...

def analyze(graph_json: str, sample_height: int, sample_width: int) -> dict[str, Any]: ...
def border_indices(begin: int, end: int, size: int, mode: int) -> list[int]: ...
def executors(library_folders: list[str]) -> list[dict[str, str]]: ...
def check_engine_file(path: str) -> None: ...
def build_plan(
    graph_json: str,
    sample_size: tuple[int, int],
    flavour: str,
    onnx: bytes,
    input_name: str,
    precision: str,
    tile_height: int,
    tile_width: int,
    max_batch: int,
    library_folders: list[str],
    timing_cache: bytes,
) -> dict[str, Any]: ...
def plan_mismatch(stored: dict[str, Any], wanted: dict[str, Any]) -> str: ...
def dlpack_capsule(
    memory: DeviceMemory, shape: tuple[int, ...], is_float: bool, bits: int, device: int
) -> object: ...
def isas() -> list[str]: ...
def multiply_add_rates(isa: str, threads: int, runs: int = 20) -> list[float]: ...
def interleaved_bytes() -> int: ...
