"""All verbs and their options."""

from __future__ import annotations

import argparse
from typing import Any

from pyengine import __version__, _core
from pyengine.arguments import AUGMENTATIONS, KINDS, words
from pyengine.builder.arguments import LABEL_RULES, STATISTICS
from pyengine.cli.build import run_build, run_export, run_verify
from pyengine.cli.info import run_bench, run_info
from pyengine.cli.live import PHANTOM, run_live
from pyengine.cli.measure_options import add_measure_options
from pyengine.cli.options import (
    add_engine_options,
    add_read_options,
    add_tile_options,
    add_value_options,
)  # fmt: skip
from pyengine.cli.report import add_report_options, run_report
from pyengine.cli.segment import DEMOS, run_classify, run_demo, run_segment
from pyengine.cli.where import add_scheduler_option, add_where_options
from pyengine.formats.registry import all_written_suffixes, readable_suffixes
from pyengine.inputs.registry import file_titles
from pyengine.shipped import engines


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyengine", description="Exact tiled inference for biomedical segmentation."
    )
    parser.add_argument("--version", action="version", version=f"pyengine {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    p = _verb(verbs, "segment", run_segment, "segment files, folders or globs")
    p.add_argument(
        "input", nargs="*", metavar="IN",
        help="images, folders of images or globs; what can be read: "
        + ", ".join(readable_suffixes()),
    )  # fmt: skip
    p.add_argument(
        "--input", "-i", dest="more_inputs", action="append", default=[], metavar="IN",
        help="the same as a flag; may be repeated",
    )  # fmt: skip
    p.add_argument(
        "--output", "-o", required=True, action="append",
        help="output file (one input) or folder",
    )  # fmt: skip
    add_engine_options(p, by_image=True)
    add_tile_options(p)
    add_where_options(p)
    add_scheduler_option(p)
    add_read_options(p)
    add_value_options(p)
    p.add_argument(
        "--output-kind", choices=KINDS, default="labels",
        help="what is written (default: labels)",
    )  # fmt: skip
    p.add_argument(
        "--result", metavar="NAME",
        help="of a network with results by name, the one that is written (info lists them)",
    )  # fmt: skip
    p.add_argument(
        "--tta", choices=AUGMENTATIONS,
        help="mean over flips (4 passes) or flips and quarter turns (8) of each image (default: "
        "none; of engines for volumes mirror, where the network was trained so)",
    )  # fmt: skip
    p.add_argument(
        "--format", choices=[suffix[1:] for suffix in all_written_suffixes()],
        help="of outputs in a folder (default: the input's where it can be)",
    )  # fmt: skip
    p.add_argument(
        "--strict", action="store_true",
        help="refuse images whose values are not on the network's scale (default: warn)",
    )  # fmt: skip
    p.add_argument(
        "--check-finite", action="store_true",
        help="fail where NaN or infinity arises in the network, naming the layer",
    )  # fmt: skip
    p.add_argument(
        "--resume",
        action="store_true",
        help="skip outputs that were made from the same image, engine and options",
    )
    add_measure_options(p)

    p = _verb(verbs, "report", run_report, "one HTML page about a folder of results")
    add_report_options(p)

    p = _verb(verbs, "classify", run_classify, "classify images")
    p.add_argument("input", nargs="+", metavar="IN", help="image files, folders or globs")
    add_engine_options(p)

    p = _verb(verbs, "build", run_build, "build an engine from a trained network")
    p.add_argument("source", help=f"{file_titles()}; with --executor also an engine")
    p.add_argument("--output", "-o", required=True, help="the .pyengine file to write")
    p.add_argument("--sample-shape", help="1,C,H,W: a size the network accepts")
    p.add_argument(
        "--task", choices=["segmentation", "classification"],
        help="default: the source's, else by its output (one value per pixel, or per image)",
    )  # fmt: skip
    p.add_argument("--classes", help="names, comma separated")
    p.add_argument(
        "--activation", choices=["softmax", "sigmoid", "none"],
        help="from outputs to probabilities (default: what the network ends in; else softmax, or "
        "sigmoid for a single output)",
    )  # fmt: skip
    p.add_argument(
        "--input-dtype", choices=["uint8", "uint16", "float32"],
        help="of the images it was trained on, for information (default: the source's or float32)",
    )  # fmt: skip
    p.add_argument("--preprocessing", help="JSON list of steps, as in pyengine.build")
    p.add_argument("--colors", help="JSON list of RGB, one for each class: [[0,0,0],[255,0,0]]")
    p.add_argument("--provenance", help="JSON object: training data, metrics, terms")
    p.add_argument(
        "--samples", metavar="NPY",
        help="float32 network inputs (N,C,H,W) for the comparison with the source (default: noise "
        "and one like an image)",
    )  # fmt: skip
    p.add_argument(
        "--normalise", action="append", default=[], metavar="NAME[:key=value,...]",
        help="a step of preprocessing, such as zero_mean_unit_variance or "
        "scale_range:min_percentile=1,max_percentile=99.8,axes=y+x; may be repeated (default: the "
        "source's own)",
    )  # fmt: skip
    p.add_argument(
        "--postprocess", action="append", default=[], metavar="NAME",
        help="sigmoid or softmax: another way to say --activation; may be repeated",
    )  # fmt: skip
    p.add_argument(
        "--module",
        metavar="package.module:Class",
        help="what makes the module of a file of weights",
    )
    p.add_argument("--arguments", metavar="JSON", help="keywords for --module, as a JSON object")
    p.add_argument(
        "--allow-code", action="store_true",
        help="run Python code that the source brings along (default: never)",
    )  # fmt: skip
    p.add_argument("--configuration", help="of an nnU-Net results folder (default: its 2-D one)")
    p.add_argument("--fold", help="of an nnU-Net results folder: 0 or 0,1,2, or all for the one called so "
                   "(default: the mean over those that are numbered)")  # fmt: skip
    p.add_argument(
        "--weights", choices=["float32", "float16"], default="float32",
        help="how weights are stored; computation is float32 (default: float32)",
    )  # fmt: skip
    p.add_argument("--store-onnx", action="store_true", help="keep the source network's ONNX")
    p.add_argument(
        "--tolerance", type=float,
        help="largest difference from the source, as a fraction of the output's range (default: "
        "1e-4, with float16 weights 1e-2)",
    )  # fmt: skip
    p.add_argument(
        "--executor", choices=["auto", "cpu", "onnxruntime", "tensorrt", "tensorrt-rtx"],
        default="auto",
        help="what runs the network (default: auto, the CPU engine where it can, else onnxruntime); "
        "tensorrt and tensorrt-rtx add a plan for a GPU to what the CPU engine runs",
    )  # fmt: skip
    p.add_argument(
        "--output-name", action="append", metavar="NAME",
        help="of several outputs the one to give; repeated, they become results by name",
    )  # fmt: skip
    p.add_argument(
        "--label-rule", choices=LABEL_RULES,
        help="labels of several sigmoids: regions (the last above one half, else background; "
        "default) or highest",
    )  # fmt: skip
    p.add_argument(
        "--statistics", choices=STATISTICS, default="image",
        help="of norms over the image: image (default), or frozen over --samples, for exact tiles",
    )  # fmt: skip
    p.add_argument("--halo", type=int, help="for onnxruntime: context of a tile in pixels")
    p.add_argument(
        "--alignment", type=int, help="for onnxruntime: what tile origins are multiples of"
    )
    p.add_argument(
        "--allow-tracer-warnings", action="store_true",
        help="build a network that decides by pixel values, by what the sample took",
    )  # fmt: skip
    gpu = p.add_argument_group("plans for a GPU, stored in the same file")
    gpu.add_argument(
        "--precision", choices=["fp16", "fp32", "int8"],
        help="what its layers compute in (default: fp16)",
    )  # fmt: skip
    gpu.add_argument("--tile", help="largest output tile, N or HxW (default: 512)")
    gpu.add_argument("--batch-size", type=int, help="most tiles per call (default: 8)")
    gpu.add_argument(
        "--input", "-i", action="append", default=[],
        help="images on which it is compared with float32, and int8 calibrated (default: random)",
    )  # fmt: skip
    gpu.add_argument("--log", help="file for what TensorRT says (it is in the engine file too)")

    p = _verb(verbs, "export", run_export, "write an engine as a package of bioimage.io")
    p.add_argument("engine", help="engine file or name")
    p.add_argument("--output", "-o", required=True, help="the .zip file to write")
    p.add_argument("--name", help="of the network (default: the source's, or the file's)")
    p.add_argument("--description", help="one line")
    p.add_argument("--author", action="append", help="may be repeated (default: the source's)")
    p.add_argument("--license", help="SPDX identifier (default: the source's, or CC-BY-4.0)")

    p = _verb(verbs, "verify", run_verify, "compare an engine with its source network")
    p.add_argument("engine", help="engine file or name")
    p.add_argument("source", help="what it was built from")
    p.add_argument("--input", "-i", action="append", default=[], help="images to compare on")
    p.add_argument(
        "--tolerance", type=float, default=1e-4,
        help="largest difference, as a fraction of the output's range (default: 1e-4)",
    )  # fmt: skip

    p = _verb(verbs, "info", run_info, "tell about an engine, an image file, or this machine")
    p.add_argument(
        "engine", nargs="?",
        help="engine (file or name): manifest, layer table, FLOPs and receptive field; or an image: "
        "size, axes and calibration; without it, the engines that ship",
    )  # fmt: skip
    add_read_options(p)
    p.add_argument(
        "--channels", type=int, default=1,
        help="of the network, by which axes of an image are told where its file does not say "
        "(default: 1)",
    )  # fmt: skip
    p.add_argument("--json", action="store_true", help="the manifest as JSON")
    p.add_argument(
        "--executors", action="store_true",
        help="what can compute networks on this machine, and if not, why not",
    )  # fmt: skip

    p.add_argument(
        "--formats", action="store_true",
        help="what can be read and written here, and which extra brings what is missing",
    )  # fmt: skip

    p = _verb(verbs, "bench", run_bench, "time an engine on random images")
    add_engine_options(p, default="em-membranes")
    add_tile_options(p)
    p.add_argument("--size", default="512x512", help="HxW in pixels, or N for N x N")
    p.add_argument("--repeat", type=int, default=20, help="timed runs (default: 20)")
    p.add_argument("--layers", action="store_true", help="also the time of each layer")

    p = _verb(
        verbs, "live", run_live, "play images as a scanner would, and show how old results are"
    )
    add_engine_options(p, default="oct-fluid")
    p.add_argument(
        "--source", "-s", default=PHANTOM,
        help="an image or a stack, played over and over; what can be read: "
        + ", ".join(readable_suffixes()) + f" (default: {PHANTOM}, synthetic B-scans)",
    )  # fmt: skip
    p.add_argument("--rate", type=float, default=30.0, help="frames per second (default: 30)")
    p.add_argument("--seconds", type=float, help="for how long (default: until Ctrl-C)")
    p.add_argument(
        "--policy", choices=list(words(_core.FramePolicy)), default="newest",
        help="what happens to a frame while another is computed: it replaces the one that waits, "
        "all wait in a queue, or it is refused (default: newest)",
    )  # fmt: skip
    p.add_argument(
        "--deadline", type=float, metavar="MS",
        help="milliseconds after which a frame is not begun any more (default: none)",
    )  # fmt: skip

    p = _verb(verbs, "demo", run_demo, "segment a synthetic image with a shipped engine")
    shown = sorted(set(DEMOS) & set(engines()))
    p.add_argument(
        "system", nargs="?", default="em-membranes", choices=shown, metavar="SYSTEM",
        help=f"{', '.join(shown)} (default: em-membranes)",
    )  # fmt: skip
    p.add_argument("--output", "-o", default=".", help="folder for the results (default: here)")
    p.add_argument("--size", help="HxW in pixels, or N for N x N (default: the system's usual)")
    p.add_argument("--threads", type=int, help="of one image (default: every core available)")
    return parser


def _verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    described = text[:1].upper() + text[1:]  # capitalize() would lower "ONNX"
    p: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=described)
    p.set_defaults(run=run)
    return p
