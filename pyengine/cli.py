"""The command line: ``pyengine VERB ...``."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyengine import __version__, build, engines, phantoms, verify
from pyengine.arguments import ACCURACIES
from pyengine.engine import Engine
from pyengine.image_source import READABLE, Array, read_image, split_dataset
from pyengine.info import LayerTime
from pyengine.overlay import overlay, save_image
from pyengine.progress import progress_callback

USAGE_ERROR = 2

# Shipped engine -> usual size, and what draws a synthetic image for it.
DEMOS: dict[str, tuple[str, Callable[[int, int], Array]]] = {
    "em-membranes": ("2048x2048", phantoms.synthetic_em),
    "oct-fluid": ("496x768", lambda h, w: phantoms.oct_phantom(h, w, "DME").image),
    "retinal-vessels": ("584x565", lambda h, w: phantoms.fundus_phantom(h, w)[0]),
    "ultrasound-nerve": ("256x256", lambda h, w: phantoms.nerve_phantom(h, w, 11)[0]),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    argv : sequence of str, optional
        Default: the process's arguments.

    Returns
    -------
    int
        0 on success, 1 if some work failed, 2 on a usage error.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"pyengine: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("pyengine: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyengine", description="Exact tiled inference for biomedical segmentation."
    )
    parser.add_argument("--version", action="version", version=f"pyengine {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    p = _verb(verbs, "segment", _segment, "segment files, folders or globs")
    p.add_argument("input", nargs="*", metavar="IN", help="image files, folders or globs")
    p.add_argument(
        "--input", "-i", dest="more_inputs", action="append", default=[], metavar="IN",
        help="the same as a flag; may be repeated",
    )  # fmt: skip
    p.add_argument("--output", "-o", required=True, help="output file (one input) or folder")
    _engine_options(p)
    _tile_options(p)
    p.add_argument("--output-kind", choices=["labels", "probabilities", "logits"], default="labels")
    p.add_argument("--format", choices=["png", "tif", "npy", "h5"], help="of outputs in a folder")
    p.add_argument("--overlay", action="store_true", help="also write NAME.overlay.png")
    p.add_argument("--resume", action="store_true", help="skip outputs that exist")

    p = _verb(verbs, "classify", _classify, "classify images")
    p.add_argument("input", nargs="+", metavar="IN")
    _engine_options(p, default=None)

    p = _verb(verbs, "build", _build, "build an engine from a checkpoint or an ONNX file")
    p.add_argument("source", help="checkpoint of train/ or .onnx file")
    p.add_argument("--output", "-o", required=True, help="the .pyengine file to write")
    p.add_argument("--sample-shape", help="1,C,H,W: a size the network accepts")
    p.add_argument("--task", choices=["segmentation", "classification"])
    p.add_argument("--classes", help="names, comma separated")
    p.add_argument("--activation", choices=["softmax", "sigmoid", "none"])
    p.add_argument("--input-dtype", choices=["uint8", "uint16", "float32"])
    p.add_argument("--preprocessing", help="JSON list of steps, as in pyengine.build")
    p.add_argument("--weights", choices=["float32", "float16"], default="float32")
    p.add_argument("--store-onnx", action="store_true", help="keep the source network's ONNX")
    p.add_argument("--tolerance", type=float, help="fraction of the output's range")

    p = _verb(verbs, "verify", _verify, "compare an engine with its source network")
    p.add_argument("engine")
    p.add_argument("source", help="what it was built from")
    p.add_argument("--input", "-i", action="append", default=[], help="images to compare on")
    p.add_argument("--tolerance", type=float, default=1e-4)

    p = _verb(verbs, "info", _info, "print manifest, layer table, FLOPs and receptive field")
    p.add_argument("engine", nargs="?", help="file or name; without it, the engines that ship")
    p.add_argument("--json", action="store_true", help="the manifest as JSON")

    p = _verb(verbs, "bench", _bench, "time an engine on random images")
    _engine_options(p)
    _tile_options(p)
    p.add_argument("--size", default="512x512", help="HxW in pixels, or N for N x N")
    p.add_argument("--repeat", type=int, default=20)
    p.add_argument("--layers", action="store_true", help="also the time of each layer")

    p = _verb(verbs, "demo", _demo, "segment a synthetic image with a shipped engine")
    shown = sorted(set(DEMOS) & set(engines()))
    p.add_argument(
        "system", nargs="?", default="em-membranes", choices=shown, metavar="SYSTEM",
        help=f"{', '.join(shown)} (default: em-membranes)",
    )  # fmt: skip
    p.add_argument("--output", "-o", default=".", help="folder for the results (default: here)")
    p.add_argument("--size", help="HxW in pixels, or N for N x N (default: the system's usual)")
    p.add_argument("--threads", type=int)
    return parser


def _verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    p: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize())
    p.set_defaults(run=run)
    return p


def _engine_options(p: argparse.ArgumentParser, default: str | None = "em-membranes") -> None:
    p.add_argument(
        "--engine", "-e", default=default, required=default is None,
        help="engine file or name" + (f" (default: {default})" if default else ""),
    )  # fmt: skip
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    p.add_argument("--threads", type=int, help="default: every core")
    p.add_argument(
        "--accuracy", default="default", choices=ACCURACIES,
        help="fast: larger blocks in 3x3 layers, a few times the rounding",
    )  # fmt: skip


def _tile_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--tile", help="output tile in pixels, N or HxW; default: by the cost model")
    p.add_argument("--batch-size", type=int)
    p.add_argument("--max-memory", help="working memory, e.g. 512M or 2G (default 384M)")


def _size(text: str, what: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise ValueError(f"{what} must be N or HxW in pixels, got {text!r}")
    return int(parts[0]), int(parts[-1])


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    factors = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    number, factor = (
        (text[:-1], factors[text[-1].upper()]) if text[-1:].upper() in factors else (text, 1)
    )
    if not number.isdigit() or int(number) == 0:
        raise ValueError(f"max-memory must be like 512M or 2G, got {text!r}")
    return int(number) * factor


def _tile(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "tile": _size(args.tile, "tile") if args.tile else None,
        "batch_size": args.batch_size,
        "max_memory": _bytes(args.max_memory),
    }


def _expand(patterns: list[str]) -> list[tuple[str, str]]:
    """(input, name relative to its folder) of all files; folders give what is readable in them."""
    found: list[tuple[str, str]] = []
    for pattern in patterns:
        path, dataset = split_dataset(pattern)
        if dataset is not None or path.is_file():
            found.append((pattern, path.name))
        elif path.is_dir():
            files = sorted(
                p for p in path.rglob("*") if p.suffix.lower() in READABLE and p.is_file()
            )
            if not files:
                raise FileNotFoundError(f"{path}: no image in this folder")
            found += [(str(p), str(p.relative_to(path))) for p in files]
        else:
            matches = sorted(glob.glob(pattern, recursive=True))
            if not matches:
                raise FileNotFoundError(f"{pattern}: no such file or folder, and nothing matches")
            found += [(m, Path(m).name) for m in matches if Path(m).is_file()]
    return found


def _segment(args: argparse.Namespace) -> int:
    inputs = _expand(args.input + args.more_inputs)
    if not inputs:
        raise ValueError("no input; give files, folders or globs")
    engine = Engine(args.engine, device=args.device, threads=args.threads, accuracy=args.accuracy)
    options = _tile(args)
    out = Path(split_dataset(args.output)[0])
    single = len(inputs) == 1 and out.suffix and not out.is_dir()
    jobs: list[tuple[str, str]] = []
    for path, name in inputs:
        if single:
            jobs.append((path, args.output))
            continue
        suffix = f".{args.format}" if args.format else _default_suffix(path, args.output_kind)
        jobs.append((path, str(out / Path(name).with_suffix(suffix))))
    targets = [t for _, t in jobs]
    twice = next((t for t in targets if targets.count(t) > 1), None)
    if twice:
        raise ValueError(f"{twice}: two inputs would be written to this name")
    failed = skipped = 0
    quiet = not sys.stderr.isatty()
    from tqdm import tqdm

    for path, target in tqdm(jobs, unit="image", disable=quiet or len(jobs) == 1):
        if args.resume and split_dataset(target)[0].exists():
            skipped += 1
            continue
        try:
            split_dataset(target)[0].parent.mkdir(parents=True, exist_ok=True)
            engine.segment_file(
                path, target, output=args.output_kind, progress=not quiet and len(jobs) == 1,
                **options,
            )  # fmt: skip
            if args.overlay:
                _write_overlay(engine, path, target, args.output_kind, options)
        except (ValueError, TypeError, OSError, MemoryError) as error:
            # One bad image must not cost the rest of a batch.
            if len(jobs) == 1:
                raise
            failed += 1
            print(f"pyengine: {path}: {error}", file=sys.stderr)
    if len(jobs) > 1 or skipped:
        print(f"{len(jobs) - failed - skipped} segmented, {skipped} skipped, {failed} failed")
    return 1 if failed else 0


def _default_suffix(path: str, kind: str) -> str:
    suffix = split_dataset(path)[0].suffix.lower()
    if suffix in (".npy", ".h5", ".hdf5", ".tif", ".tiff"):
        return suffix
    return ".png" if kind == "labels" else ".tif"


def _write_overlay(
    engine: Engine, path: str, target: str, kind: str, options: dict[str, Any]
) -> None:
    image = read_image(path, engine.info.input["channels"])
    labels = read_image(target, 1) if kind == "labels" else engine.segment(image, **options)
    name = split_dataset(target)[0].with_suffix(".overlay.png")
    save_image(name, overlay(image, labels, engine.info.colors))


def _classify(args: argparse.Namespace) -> int:
    engine = Engine(args.engine, device=args.device, threads=args.threads, accuracy=args.accuracy)
    for path, _ in _expand(args.input):
        result = engine.classify(read_image(path, engine.info.input["channels"]))
        scores = " ".join(
            f"{name}={p:.4f}"
            for name, p in zip(engine.info.classes, result.probabilities, strict=True)
        )
        print(f"{path}\t{result.label}\t{scores}")
    return 0


def _build(args: argparse.Namespace) -> int:
    shape = None
    if args.sample_shape:
        try:
            shape = tuple(int(n) for n in args.sample_shape.split(","))
        except ValueError:
            raise ValueError(f"sample-shape must be 1,C,H,W, got {args.sample_shape!r}") from None
    try:
        preprocessing = json.loads(args.preprocessing) if args.preprocessing else None
    except json.JSONDecodeError as error:
        raise ValueError(f"preprocessing is not JSON: {error}") from error
    # Checkpoints need the 'train' folder, which lies beside where this is run from.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    report = build(
        args.source, args.output, shape, task=args.task,
        classes=args.classes.split(",") if args.classes else None, activation=args.activation,
        input_dtype=args.input_dtype, preprocessing=preprocessing, weights=args.weights,
        store_onnx=args.store_onnx, tolerance=args.tolerance,
    )  # fmt: skip
    size = Path(args.output).stat().st_size
    print(f"{args.output}: {size / 1e6:.1f} MB; {report}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    engine = Engine(args.engine)
    channels = engine.info.input["channels"]
    images = [read_image(path, channels) for path, _ in _expand(args.input)] if args.input else None
    report = verify(engine, args.source, images, tolerance=args.tolerance)
    print(("same" if report.passed else "DIFFERENT") + f": {report}")
    return 0 if report.passed else 1


def _info(args: argparse.Namespace) -> int:
    if args.engine is None:
        for name in engines():
            print(name)
        return 0
    engine = Engine(args.engine)
    i = engine.info
    if args.json:
        print(json.dumps(dict(i.manifest), indent=2, ensure_ascii=False))
        return 0
    flops_unit = "per image" if i.task == "classification" else "per pixel"
    steps = ", ".join(
        f"{s['name']}({', '.join(f'{k}={v}' for k, v in s.items() if k != 'name')})"
        for s in i.input["preprocessing"]
    )
    rows = [
        ("file", i.path),
        ("task", i.task),
        ("classes", ", ".join(f"{n} = {name}" for n, name in enumerate(i.classes))),
        ("input", f"{i.input['channels']} channel(s), {i.input['dtype']}; {steps or 'as it is'}"),
        ("output", f"{i.outputs} channel(s), {i.activation}"),
        ("parameters", f"{i.parameters:,}"),
        ("FLOPs", f"{i.flops_per_pixel:,.0f} {flops_unit}"),
        ("executor", f"{i.executor}, {i.isa}, {i.threads} thread(s)"),
    ]
    if i.tileable:
        rows += [
            ("receptive field", f"{i.receptive_field} px"),
            ("halo", f"{i.halo} px"),
            ("alignment", f"{i.alignment} px"),
        ]
    else:
        rows.append(("no exact tiles", i.not_tileable_reason))
    if i.parity:
        rows.append(
            ("parity", f"{i.parity['relative_error']:.2g} of the output's range, labels agree on "
             f"{100 * i.parity['label_agreement']:.4f} %")
        )  # fmt: skip
    rows += [
        (k, json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v)
        for k, v in i.provenance.items()
    ]
    width = max(len(k) for k, _ in rows)
    for key, value in rows:
        print(f"{key:<{width}}  {value}")
    name_width = max([4, *(len(layer.name) for layer in i.layers)])
    print(f"\n{'layer':<{name_width}}  {'op':<18} {'channels':>8} {'stride':>6} "
          f"{'parameters':>11} {'FLOPs/px':>12}")  # fmt: skip
    for layer in i.layers:
        print(f"{layer.name:<{name_width}}  {layer.op:<18} {layer.channels:>8} "
              f"{layer.stride_px:>6g} {layer.parameters:>11,} {layer.flops_per_pixel:>12,.0f}")  # fmt: skip
    return 0


def _bench(args: argparse.Namespace) -> int:
    if args.repeat < 1:
        raise ValueError(f"repeat must be >= 1, got {args.repeat}")
    height, width = _size(args.size, "size")
    engine = Engine(args.engine, device=args.device, threads=args.threads, accuracy=args.accuracy)
    options = _tile(args)
    channels = engine.info.input["channels"]
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    started = time.perf_counter()
    engine.segment(image, **options)
    first = time.perf_counter() - started
    times = []
    for _ in range(args.repeat):
        started = time.perf_counter()
        engine.segment(image, **options)
        times.append(time.perf_counter() - started)
    p50, p95 = np.percentile(times, [50, 95])
    cut = "in one piece"
    if engine.info.tileable:
        plan = engine.plan(height, width, **options)
        cut = f"in {plan.grid[0]} x {plan.grid[1]} tile(s) of {plan.tile[0]} x {plan.tile[1]}"
    print(
        f"{engine.info.isa}, {engine.info.threads} thread(s), {height} x {width} px {cut}: "
        f"first {1e3 * first:.1f} ms, p50 {1e3 * p50:.1f} ms, p95 {1e3 * p95:.1f} ms, "
        f"max {1e3 * max(times):.1f} ms, {height * width / p50 / 1e6:.2f} Mpx/s"
    )
    if args.layers:
        _print_layer_times(engine.profile(height, width, args.repeat))
    return 0


def _print_layer_times(layers: Sequence[LayerTime]) -> None:
    if not layers:
        print("this executor does not tell times by layer")
        return
    total = sum(layer.seconds for layer in layers)
    name_width = max(5, *(len(layer.layer) for layer in layers))
    print(f"\n{'layer':<{name_width}}  {'algorithm':<12} {'ms':>8} {'share':>6} {'GFLOP/s':>8} {'GB/s':>6}")  # fmt: skip
    for layer in layers:
        print(
            f"{layer.layer:<{name_width}}  {layer.algorithm:<12} {1e3 * layer.seconds:>8.2f} "
            f"{layer.seconds / total:>6.1%} {layer.flops / layer.seconds / 1e9:>8.0f} "
            f"{layer.bytes / layer.seconds / 1e9:>6.1f}"
        )
    print(f"{'in one piece':<{name_width}}  {'':<12} {1e3 * total:>8.2f}")


def _demo(args: argparse.Namespace) -> int:
    usual, draw = DEMOS[args.system]
    height, width = _size(args.size or usual, "size")
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    engine = Engine(args.system, threads=args.threads)
    image = draw(height, width)
    with progress_callback(sys.stderr.isatty()) as callback:
        started = time.perf_counter()
        labels = engine.segment(image, progress=callback or False)
        seconds = time.perf_counter() - started
    written = [folder / f"{args.system}-demo-{kind}.png" for kind in ("image", "labels", "overlay")]
    pictures = (image, labels, overlay(image, labels, engine.info.colors))
    for path, picture in zip(written, pictures, strict=True):
        save_image(path, picture)
    print(
        f"{height} x {width} px (synthetic) in {seconds:.2f} s = "
        f"{height * width / seconds / 1e6:.2f} megapixels/s on the CPU ({engine.info.isa}, "
        f"{engine.info.threads} threads); wrote {', '.join(str(path) for path in written)}"
    )
    return 0


__all__ = ["main"]
