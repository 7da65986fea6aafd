"""Verbs that make and check engine files: build, verify."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from pyengine.atomic_file import write_atomically
from pyengine.builder import build, build_plan, export_package, verify
from pyengine.builder.nnunet_comparison import compare_with_nnunet
from pyengine.cli.info import plan_line
from pyengine.cli.options import expand, size
from pyengine.cli.volumes import cases
from pyengine.distinct_files import check_distinct
from pyengine.engine import Engine
from pyengine.formats.registry import locate, read_image
from pyengine.inputs.registry import source_files
from pyengine.inputs.source import SourceKeywords
from pyengine.processing import parse_step
from pyengine.shipped import engines, resolve
from pyengine.volumes.recipe import takes_volumes


def run_build(args: argparse.Namespace) -> int:
    _refuse_idle_options(args)
    shape = None
    if args.sample_shape:
        try:
            shape = tuple(int(n) for n in args.sample_shape.split(","))
        except ValueError:
            raise ValueError(f"sample-shape must be 1,C,H,W, got {args.sample_shape!r}") from None
    preprocessing = _json("preprocessing", args.preprocessing)
    if args.normalise:
        preprocessing = [*(preprocessing or []), *map(parse_step, args.normalise)]
    _refuse_losses(args)
    plan_only = _makes_plan(args) and _is_engine(args.source)
    with tempfile.TemporaryDirectory() as folder:
        # With a plan to come, nothing is written before it is there.
        engine = os.path.join(folder, "cpu.pyengine") if _makes_plan(args) else args.output
        if not plan_only:
            report = build(
                args.source, engine, shape, task=args.task,
                classes=args.classes.split(",") if args.classes else None,
                activation=args.activation, input_dtype=args.input_dtype,
                preprocessing=preprocessing, postprocessing=_postprocessing(args),
                colors=_json("colors", args.colors),
                provenance=_json("provenance", args.provenance), samples=_samples(args.samples),
                weights=args.weights, store_onnx=args.store_onnx,
                executor="cpu" if _makes_plan(args) else args.executor,
                output_name=_names(args.output_name), label_rule=args.label_rule,
                statistics=args.statistics, halo=args.halo,
                alignment=args.alignment, allow_tracer_warnings=args.allow_tracer_warnings,
                tolerance=args.tolerance, **_source_options(args),
            )  # fmt: skip
            print(f"{args.output}: {report}")
        if _makes_plan(args):
            _build_plan(args, args.source if plan_only else engine)
    print(f"{args.output}: {Path(args.output).stat().st_size / 1e6:.1f} MB")
    return 0


def _json(name: str, text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error


def _postprocessing(args: argparse.Namespace) -> list[dict[str, Any]] | None:
    return [parse_step(text) for text in args.postprocess] or None


def _source_options(args: argparse.Namespace) -> SourceKeywords:
    """What the source needs to be told, where it was given."""
    given = {
        "module": args.module, "arguments": _json("arguments", args.arguments),
        "allow_code": args.allow_code or None, "configuration": args.configuration,
        "fold": _folds(args.fold),
    }  # fmt: skip
    return cast(SourceKeywords, {k: v for k, v in given.items() if v is not None})


def _folds(text: str | None) -> str | list[int] | None:
    if text is None or text == "all":
        return text
    numbers = text.split(",")
    if not all(number.isdigit() for number in numbers):
        raise ValueError(f"fold must be numbers such as 0 or 0,1,2, or all, got {text!r}")
    return [int(number) for number in numbers]


# Options by what they are about; beside each its default.
_OF_PLANS: dict[str, object] = {
    "precision": None, "tile": None, "batch_size": None, "input": [], "log": None,
}  # fmt: skip
_OF_NETWORKS: dict[str, object] = {
    "sample_shape": None, "task": None, "classes": None, "activation": None, "input_dtype": None,
    "preprocessing": None, "colors": None, "provenance": None, "samples": None, "weights": "float32", "store_onnx": False, "output_name": None,
    "label_rule": None, "statistics": "image", "halo": None, "alignment": None, "allow_tracer_warnings": False,
    "normalise": [], "postprocess": [], "module": None, "arguments": None,
    "allow_code": False, "configuration": None, "fold": None,
}  # fmt: skip


def _refuse_idle_options(args: argparse.Namespace) -> None:
    """Options that would change nothing are a misunderstanding."""
    if not _makes_plan(args):
        if _is_engine(args.source):
            raise ValueError(
                f"{args.source}: an engine already; --executor tensorrt or tensorrt-rtx stores a "
                "plan for a GPU in it"
            )
        _refuse_set(args, _OF_PLANS, "is about plans for a GPU: give --executor as well")
    elif _is_engine(args.source):
        _refuse_set(args, _OF_NETWORKS, f"is for networks, and {args.source} is an engine already")


def _refuse_set(args: argparse.Namespace, defaults: dict[str, object], why: str) -> None:
    for name, default in defaults.items():
        if getattr(args, name) != default:
            raise ValueError(f"--{name.replace('_', '-')} {why}")


def _refuse_losses(args: argparse.Namespace) -> None:
    """Refuse outputs that are an input; an engine that gets a plan is replaced on purpose."""
    images = [locate(path).path for path, _ in expand(args.input)] if _makes_plan(args) else []
    written = [(Path(args.output), "the network")]
    if args.log:
        written.append((Path(args.log), "what TensorRT says"))
    engine = _is_engine(args.source)
    check_distinct([*images, *(() if engine else source_files(args.source))], written)
    if args.log and engine:
        check_distinct([resolve(args.source)], written[1:])


def _makes_plan(args: argparse.Namespace) -> bool:
    return str(args.executor).startswith("tensorrt")


def _samples(path: str | None) -> list[Any] | None:
    if path is None:
        return None
    array = np.load(path)
    if array.ndim != 4:
        raise ValueError(f"samples {path}: must have the axes (N, C, H, W), got {array.shape}")
    return [array[i : i + 1] for i in range(len(array))]


def _names(given: list[str] | None) -> str | list[str] | None:
    return given[0] if given is not None and len(given) == 1 else given


def _is_engine(source: str) -> bool:
    return source in engines() or Path(source).suffix.lower() == ".pyengine"


def _build_plan(args: argparse.Namespace, engine: str) -> None:
    images = None
    if args.input:
        channels = Engine(engine, device="cpu").info.input["channels"]
        images = [read_image(path, channels) for path, _ in expand(args.input)]
    plan = build_plan(
        engine, args.output, executor=args.executor, images=images, tolerance=args.tolerance,
        precision=args.precision or "fp16", tile=size(args.tile or "512", "tile"),
        batch_size=8 if args.batch_size is None else args.batch_size,
    )  # fmt: skip
    if args.log:
        write_atomically(Path(args.log), lambda temporary: temporary.write_text(plan.log))
    print(f"{args.output}: plan for {plan_line(plan.key)}: {plan.plan_bytes / 1e6:.1f} MB in {plan.seconds:.1f} s")  # fmt: skip
    if plan.precision:
        print(f"{args.output}: {plan.precision}")
        for kind, kept in (
            ("float32", plan.precision.float32_layers),
            ("float16", plan.precision.float16_layers),
        ):
            for layer, why in kept.items():
                print(f"  {layer} stays in {kind}: {why}")


def run_export(args: argparse.Namespace) -> int:
    export_package(
        args.engine, args.output, name=args.name, description=args.description,
        authors=args.author, license=args.license,
    )  # fmt: skip
    print(f"{args.output}: {Path(args.output).stat().st_size / 1e6:.1f} MB")
    return 0


def run_verify(args: argparse.Namespace) -> int:
    engine = Engine(args.engine)
    if args.input and takes_volumes(engine.info.manifest):
        return _verify_volumes(engine, args)
    channels = engine.info.input["channels"]
    images = [read_image(path, channels) for path, _ in expand(args.input)] if args.input else None
    report = verify(engine, args.source, images, tolerance=args.tolerance)
    print(("same" if report.passed else "DIFFERENT") + f": {report}")
    return 0 if report.passed else 1


def _verify_volumes(engine: Engine, args: argparse.Namespace) -> int:
    passed = True
    for path, _ in cases(args.input):
        report = compare_with_nnunet(engine, args.source, path)
        print(f"{path}: {'same' if report.passed else 'DIFFERENT'}: {report}")
        passed = passed and report.passed
    return 0 if passed else 1
