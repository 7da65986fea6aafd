"""Verbs that compute results: segment, classify, demo."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyengine import phantoms
from pyengine.arguments import KINDS, Output, SegmentKeywords
from pyengine.atomic_file import refuse_what_is_no_file
from pyengine.claims import claims
from pyengine.cli.batch_files import table_paths, write_montage, write_tables
from pyengine.cli.companions import Companion, Measured, companions
from pyengine.cli.measure_options import measure_options
from pyengine.cli.options import (
    expand,
    only_fitting_engine,
    open_engine,
    read_options,
    size,
    tile_options,
)  # fmt: skip
from pyengine.cli.segment_job import Batch, Job
from pyengine.cli.shared_batch import SharedBatch
from pyengine.cli.volumes import run_volumes
from pyengine.cli.where import part, part_of, refuse_where, region
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.formats import Array
from pyengine.formats.registry import (
    files_of,
    find_format,
    locate,
    read_image,
    replace_suffix,
    suffix_like,
)
from pyengine.formats.remote import url_of
from pyengine.input_range import InputRangeWarning
from pyengine.overlay import overlay, save_image
from pyengine.pipeline import pipeline
from pyengine.progress import progress_callback
from pyengine.segment_file import check_target, is_done, replaced_files
from pyengine.shipped import resolve
from pyengine.volumes.recipe import takes_volumes

DEMOS: dict[str, tuple[str, Callable[[int, int], Array]]] = {
    "em-membranes": ("2048x2048", phantoms.synthetic_em),
    "oct-fluid": ("496x768", lambda h, w: phantoms.oct_phantom(h, w, "DME").image),
    "retinal-vessels": ("584x565", lambda h, w: phantoms.fundus_phantom(h, w)[0]),
    "ultrasound-nerve": ("420x580", lambda h, w: phantoms.nerve_phantom(h, w)[0]),
}

# What one image of a batch can fail with; readers and writers raise nothing else.
IMAGE_ERRORS = (ValueError, TypeError, OSError, MemoryError, FloatingPointError)


def run_segment(args: argparse.Namespace) -> int:
    engine = None
    if args.engine is not None:
        output = _one_output(args.output, args.output_kind)
        check_distinct([resolve(args.engine)], [(locate(output).path, "images")])
        engine = open_engine(args)
        if takes_volumes(engine.info.manifest):
            refuse_where(args)
            return _told(*run_volumes(args, engine, output))
    args.mode, args.tta = args.mode or "exact", args.tta or "none"
    return _run_images(args, engine)


def _run_images(args: argparse.Namespace, engine: Engine | None) -> int:
    inputs = expand(args.input + args.more_inputs)
    if not inputs:
        raise ValueError("no input; give files, folders or globs")
    if args.result is not None:
        if args.overlay:
            raise ValueError("--overlay draws labels, --result writes a result by name")
        args.output_kind = "probabilities"
    output = _one_output(args.output, args.output_kind)
    options: SegmentKeywords = {
        **tile_options(args), "tta": args.tta, "check_finite": args.check_finite,
        "region": region(args.region),
    }  # fmt: skip
    which = part(args.part)
    jobs = _jobs(inputs, output, args.format, args.output_kind)
    if len(jobs) == 1 and which[1] > 1:
        raise ValueError(f"--part {args.part}: parts are files, and there is one")
    beside = companions(args)
    if beside and args.region is not None:
        raise ValueError("--region: what goes beside results is of whole images; leave it out")
    _refuse_losses(jobs, args, beside)
    if args.engine is None:
        args.engine = only_fitting_engine([path for path, _ in inputs], read_options(args))
        print(f"pyengine: no --engine given; {args.engine} alone fits", file=sys.stderr)
    if args.scheduler is not None:
        _refuse_of_all(args, "--scheduler")
        return _run_on_workers(part_of(jobs, which), args, options)
    if which[1] > 1:
        _refuse_of_all(args, "--part")
    engine = engine or open_engine(args)
    measure_options(args).classes_of(engine.info)
    batch = Batch(args, engine, options, beside)
    batch.progress = sys.stderr.isatty() and len(jobs) == 1
    with _strict_range(args.strict):
        return _run_batch(part_of(jobs, which), batch, alone=len(jobs) == 1)


def _run_batch(jobs: list[tuple[str, str]], batch: Batch, *, alone: bool) -> int:
    """Do all; one bad image must not cost the rest, unless it is `alone`."""
    from tqdm import tqdm

    failed = 0
    done: list[Job] = []

    def failure(path: str, error: Exception) -> None:
        nonlocal failed
        if alone:
            raise error
        failed += 1
        _complain(path, error)

    quiet = not sys.stderr.isatty() or alone
    with claims() as taken, tqdm(total=len(jobs), unit="image", disable=quiet) as bar:
        shared = SharedBatch(jobs, batch, taken, failure, IMAGE_ERRORS)
        for jobs_at_hand in shared.groups():
            for job, error in pipeline(jobs_at_hand, errors=IMAGE_ERRORS):
                shared.done(job)
                bar.update()
                if error is None:
                    done.append(job)
                else:
                    job.close()
                    failure(job.path, error)
    place = {target: i for i, (_, target) in enumerate(jobs)}
    done = sorted([*shared.skipped_jobs, *done], key=lambda job: place[job.target])
    _write_batch_files(batch.args, batch.engine, done)
    skipped = shared.skipped
    _tell_of_pixels(batch.pixels)
    return _told(len(jobs) - failed - skipped, skipped, failed)


def _told(made: int, skipped: int, failed: int) -> int:
    """Say what became of a batch; the program's exit status."""
    if made + failed > 1 or skipped:
        print(f"{made} segmented, {skipped} skipped, {failed} failed")
    return 1 if failed else 0


def _run_on_workers(
    jobs: list[tuple[str, str]], args: argparse.Namespace, options: SegmentKeywords
) -> int:
    from pyengine.cli.distributed import run_distributed

    failed = skipped = 0
    pixels = [0, 0, 0]

    def ended(path: str, outcome: Any) -> None:
        nonlocal failed, skipped, pixels
        skipped += outcome[0]
        pixels = [a + b for a, b in zip(pixels, outcome[1], strict=True)]
        if outcome[2] is not None:
            failed += 1
            _complain(path, OSError(outcome[2]))

    run_distributed(jobs, args, options, IMAGE_ERRORS, ended)
    _tell_of_pixels(pixels)
    return _told(len(jobs) - failed - skipped, skipped, failed)


def _refuse_of_all(args: argparse.Namespace, option: str) -> None:
    """Refuse what is written of all images together, where this process makes only some."""
    for name in ("measure", "montage"):
        if getattr(args, name):
            raise ValueError(f"--{name} is of all images: run it with --resume, without {option}")


def _tell_of_pixels(pixels: list[int]) -> None:
    """What was not computed, where that is something."""
    computed, repeated, background = pixels
    if repeated or background:
        share = [f"{100 * count / sum(pixels):.0f} %" for count in (computed, repeated, background)]
        print(f"{share[0]} of the pixels computed, {share[1]} as before (one value all around), "
              f"{share[2]} left out as background", file=sys.stderr)  # fmt: skip


def _jobs(
    inputs: list[tuple[str, str]], output: str, suffix: str | None, kind: Output
) -> list[tuple[str, str]]:
    """(input, output) of each image; `output` is a file for one input, else a folder."""
    location = locate(output)
    out = location.path
    if len(inputs) == 1 and out.suffix and (not out.is_dir() or _is_image_folder(out)):
        return [(inputs[0][0], output)]
    if location.name is not None or (out.exists() and not out.is_dir()):
        raise ValueError(
            f"--output {output} is a file; for {len(inputs)} input(s) name a folder"
            + ("" if out.suffix else ", or a file with a suffix such as .png")
        )

    def named(path: str, name: str) -> str:
        new = f".{suffix}" if suffix else suffix_like(locate(path).path, kind)
        return str(replace_suffix(out / name, new))

    return [(path, named(path, name)) for path, name in inputs]


def _is_image_folder(path: Path) -> bool:
    image_format = find_format(path)
    return image_format is not None and image_format.is_folder


def _write_batch_files(args: argparse.Namespace, engine: Engine, done: list[Job]) -> None:
    """Write what is of all images together, those that were skipped too."""
    if args.measure and done:
        record = Measured(measure_options(args), args.oct)
        write_tables(Path(args.measure), [record.path(job.target) for job in done])
    if args.montage and done:
        write_montage(Path(args.montage), [job.file(engine) for job in done])


def _refuse_losses(
    jobs: list[tuple[str, str]], args: argparse.Namespace, beside: list[Companion]
) -> None:
    """Refuse outputs that would replace an input, each other, or what is no output."""
    written = [file for path, target in jobs for file in replaced_files(path, target)]
    remote = [target for _, target in jobs if url_of(locate(target).path) is not None]
    if beside and remote:
        raise ValueError(
            f"{remote[0]}: what goes beside results is files; leave out --overlay and the like, "
            "or name a folder"
        )
    written += [(one.path(target), path) for path, target in jobs for one in beside]
    tables = table_paths(Path(args.measure)).values() if args.measure else []
    written += [(file, "--measure") for file in tables]
    written += [(Path(args.montage), "--montage")] if args.montage else []
    engines_read = [] if args.engine is None else [resolve(args.engine)]
    check_distinct([*engines_read, *(file for path, _ in jobs for file in files_of(path))], written)
    for file in [*tables, *([Path(args.montage)] if args.montage else [])]:
        refuse_what_is_no_file(file)
    for _, target in jobs:
        if not (args.resume and is_done(target, args.output_kind)):
            check_target(target, args.output_kind)


def _one_output(given: list[str], kind: str) -> str:
    if len(given) > 1:
        raise ValueError(
            f"--output is given {len(given)} times ({', '.join(given)}); what is written there is "
            "--output-kind"
        )
    # In Python `output` is what --output-kind is here.
    (output,) = given
    if output in KINDS and output != kind:
        raise ValueError(
            f"--output is the file or folder to write, and {kind} go there; for {output} say "
            f"--output-kind {output} (for a folder of that name --output ./{output})"
        )
    return output


@contextlib.contextmanager
def _strict_range(strict: bool) -> Iterator[None]:
    """Raise warnings of an image's range if `strict`."""
    with warnings.catch_warnings():
        if strict:
            warnings.simplefilter("error", InputRangeWarning)
        yield


def _complain(path: str, error: BaseException) -> None:
    """One line on stderr, which names the image once."""
    words = " ".join(str(error).split())
    print(f"pyengine: {words if words.startswith(path) else f'{path}: {words}'}", file=sys.stderr)


def run_classify(args: argparse.Namespace) -> int:
    inputs = expand(args.input)
    engine = open_engine(args)
    failed = 0
    for path, _ in inputs:
        try:
            result = engine.classify(read_image(path, engine.info.input["channels"]))
        except IMAGE_ERRORS as error:
            if len(inputs) == 1:
                raise
            failed += 1
            _complain(path, error)
            continue
        scores = " ".join(
            f"{name}={p:.4f}"
            for name, p in zip(engine.info.classes, result.probabilities, strict=True)
        )
        print(f"{path}\t{result.label}\t{scores}")
    return 1 if failed else 0


def run_demo(args: argparse.Namespace) -> int:
    usual, draw = DEMOS[args.system]
    height, width = size(args.size or usual, "size")
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
