"""Two builds of the C++ library against each other, alternated in one process.

``cmake --preset release -B OLD`` in one checkout and ``-B NEW`` in another, then
``python -m benchmarks.compare_builds OLD/libpyengine.so NEW/libpyengine.so --base 16 32``. Every
build is opened twice, as two engines of one build differ by where their memory lies: a build's time
of a round is the geometric mean of both, and a difference counts beyond that between copies.
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
from benchmarks.pairs import alternate, write_results
from pyengine.cli.options import size
from train.machine import machine_name

PROBABILITIES = 1
UINT8 = 0
AGAIN = " again"


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


def path_and_isa(text: str) -> tuple[Path, str | None]:
    """The parts of ``LIBRARY[:ISA]``."""
    path, _, isa = text.partition(":")
    return Path(path), isa or None


def over_the_first(
    seconds: dict[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, dict[str, float]]:
    """Builds over the first of them, from the times of both copies of each, round by round.

    The median of rounds, the 95 % interval of that median (by ranks, so for any distribution), and
    the median of the second copy's time over the first's.
    """
    both = {name: np.sqrt(first * second) for name, (first, second) in seconds.items()}
    reference = next(iter(both.values()))
    rows = {}
    for name, (first, second) in seconds.items():
        # The number of rounds below the median is binomial: its standard deviation is sqrt(n) / 2.
        reach = min(50.0, 98.0 / np.sqrt(len(first)))
        low, middle, high = np.percentile(both[name] / reference, [50 - reach, 50, 50 + reach])
        rows[name] = {
            "median_ms": round(1e3 * float(np.median(both[name])), 3),
            "ratio": round(float(middle), 4),
            "ratio_low": round(float(low), 4),
            "ratio_high": round(float(high), 4),
            "copies": round(float(np.median(second / first)), 4),
        }
    return rows


def compare(
    libraries: list[str], engine: Path, shape: tuple[int, int], args: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """Times of each build over those of the first, and how many values differ from its."""
    outputs = pyengine.Engine(engine, threads=1).info.outputs
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    answers: dict[str, np.ndarray] = {}
    calls: dict[str, Callable[[], object]] = {}
    builds: list[Build] = []
    with tempfile.TemporaryDirectory() as folder:
        for again in ("", AGAIN):
            for i, text in enumerate(libraries):
                path, isa = path_and_isa(text)
                # The loader knows files by their inode: a copy is another library.
                copy = Path(folder) / f"{i}{again}.so"
                shutil.copy(path, copy)
                build = Build(copy, engine, isa, args.threads, args.fast)
                builds.append(build)
                answer = answers[text + again] = np.empty((outputs, *shape), np.float32)
                calls[text + again] = lambda b=build, a=answer: b.probabilities(image, a)
        times = alternate(calls, libraries[0], args.rounds, pause_s=0.02)
    for build in builds:
        build.close()
    rows = over_the_first({n: (times[n].seconds, times[n + AGAIN].seconds) for n in libraries})
    wanted = answers[libraries[0]]

    def differing(name: str) -> int:
        return max(int((answers[name + again] != wanted).sum()) for again in ("", AGAIN))

    return {name: row | {"values_differing": differing(name)} for name, row in rows.items()}


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
    missing = [t for t in args.libraries if not path_and_isa(t)[0].is_file()]
    if missing:
        parser.error(f"no such file: {', '.join(missing)}")
    if len(set(args.libraries)) < len(args.libraries):
        parser.error("each library once: every build is timed twice as it is")
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
                f"  {name}: {row['median_ms']:.1f} ms, {row['ratio']:.3f} (95 %:"
                f" {row['ratio_low']:.3f} to {row['ratio_high']:.3f}; its second copy over its"
                f" first {row['copies']:.3f}), {row['values_differing']} values differ"
            )
    if args.json:
        write_results(args.json, results)


if __name__ == "__main__":
    main()
