"""Two builds of the C++ library against each other, alternated in one process.

``cmake --preset release -B OLD`` in one checkout and ``-B NEW`` in another, then
``python -m benchmarks.compare_builds OLD/libpyengine.so NEW/libpyengine.so --base 16 32``. Every
build is opened twice: two engines of one build differ by where their memory lies, and only what is
beyond that is a result.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import pyengine
from benchmarks.compare_runtimes import unet
from benchmarks.machine import machine_name
from benchmarks.pairs import alternate, write_results
from pyengine.cli.options import size

PROBABILITIES = 1
UINT8 = 0


class EngineOptions(ctypes.Structure):
    """``pye_engine_options`` of ``pyengine/c_api.h`` up to what is set here."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("threads", ctypes.c_int32),
        ("isa", ctypes.c_char_p),
        ("accuracy", ctypes.c_int32),
    ]


class Image(ctypes.Structure):
    """``pye_image``."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("type", ctypes.c_int),
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("row_stride_bytes", ctypes.c_int64),
        ("pixel_stride_bytes", ctypes.c_int64),
        ("channel_stride_bytes", ctypes.c_int64),
    ]


class Build:
    """One build of the library with one open engine.

    Parameters
    ----------
    library : pathlib.Path
        A ``libpyengine.so``, loaded apart from all others.
    engine : pathlib.Path
    isa : str or None
    threads : int
    fast : bool
    """

    def __init__(
        self, library: Path, engine: Path, isa: str | None, threads: int, fast: bool
    ) -> None:
        self._api = ctypes.CDLL(str(library), mode=ctypes.RTLD_LOCAL)
        self._api.pye_last_error.restype = ctypes.c_char_p
        options = EngineOptions()
        self._api.pye_engine_options_init(ctypes.byref(options), ctypes.sizeof(options))
        options.threads = threads
        options.isa = isa.encode() if isa else None
        options.accuracy = int(fast)
        self._engine = ctypes.c_void_p()
        self._check(
            self._api.pye_engine_open(
                str(engine).encode(), ctypes.byref(options), ctypes.byref(self._engine)
            )
        )

    def probabilities(self, image: np.ndarray, out: np.ndarray) -> None:
        """Of a uint8 image (height, width), into float32 (outputs, height, width)."""
        height, width = image.shape
        borrowed = Image(image.ctypes.data, UINT8, height, width, 1, image.strides[0], 1, 1)
        self._check(
            self._api.pye_segment_scores(
                self._engine,
                ctypes.byref(borrowed),
                PROBABILITIES,
                out.ctypes.data_as(ctypes.c_void_p),
                None,
            )
        )

    def close(self) -> None:
        """Free the engine."""
        self._api.pye_engine_close(self._engine)

    def _check(self, status: int) -> None:
        if status:
            raise RuntimeError(self._api.pye_last_error().decode())


def compare(
    libraries: list[str], engine: Path, shape: tuple[int, int], args: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Times of each build, twice, over those of the first; and how many values differ from its."""
    outputs = pyengine.Engine(engine, threads=1).info.outputs
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    answers: dict[str, np.ndarray] = {}
    calls: dict[str, Callable[[], object]] = {}
    builds: list[Build] = []
    with tempfile.TemporaryDirectory() as folder:
        for again in ("", " again"):
            for i, text in enumerate(libraries):
                path, _, isa = text.partition(":")
                # The loader knows files by their inode: a copy is another library.
                copy = Path(folder) / f"{i}{again}.so"
                shutil.copy(path, copy)
                build = Build(copy, engine, isa or None, args.threads, args.fast)
                builds.append(build)
                answer = answers[text + again] = np.empty((outputs, *shape), np.float32)
                calls[text + again] = lambda b=build, a=answer: b.probabilities(image, a)
        ratios = alternate(calls, libraries[0], args.rounds, pause_s=0.02)
    for build in builds:
        build.close()
    return {
        name: ratio.as_dict()
        | {"values_differing": int((answers[name] != answers[libraries[0]]).sum())}
        for name, ratio in ratios.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "libraries", nargs="+", metavar="LIBRARY[:ISA]", help="the others are over the first"
    )
    parser.add_argument("--base", type=int, nargs="*", default=[32], help="base widths of U-Nets")
    parser.add_argument("--size", default="512x512", help="HxW of the image in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--fast", action="store_true", help="accuracy='fast'")
    parser.add_argument("--json", type=Path, help="also write the results here")
    args = parser.parse_args()
    height, width = size(args.size, "size")
    print(machine_name(), date.today().isoformat())
    results = []
    for base in args.base:
        with tempfile.TemporaryDirectory() as folder:
            engine = Path(folder) / "unet.pyengine"
            pyengine.build(unet(base), engine, sample_shape=(1, 1, 64, 64))
            rows = compare(args.libraries, engine, (height, width), args)
        results.append({"base": base, "size": args.size, "threads": args.threads, "rows": rows})
        print(f"U-Net base {base}, image {args.size}, {args.threads} threads")
        for name, row in rows.items():
            print(
                f"  {name}: {row['median_ms']:.1f} ms, {row['ratio']:.3f} ({row['ratio_q25']:.3f}"
                f" to {row['ratio_q75']:.3f}), {row['values_differing']} values differ"
            )
    if args.json:
        write_results(args.json, results)


if __name__ == "__main__":
    main()
