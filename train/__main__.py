"""``python -m train``: train one of the configured systems, score it, look at it, ship it."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyengine.arguments import AUGMENTATIONS
from pyengine.cli.closed_pipe import quiet_when_closed
from pyengine.shipped import resolve
from train.config import config_file, known_configs, load_config


def main(argv: list[str] | None = None) -> int:
    """Run one verb.

    Parameters
    ----------
    argv : list of str, optional
        Default: the process's arguments.

    Returns
    -------
    int
        0 on success, 2 on bad input, 130 when interrupted.
    """
    args = _parser().parse_args(argv)
    try:
        with quiet_when_closed():
            args.run(args)
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train: interrupted; --resume continues after the last whole epoch", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    known = f"{', '.join(known_configs())}, or a TOML file"

    p = _verb(verbs, "fit", _fit, "train a system and write checkpoints")
    p.add_argument("system", help=known)
    p.add_argument("--output", "-o", type=Path, help="folder (default: runs/SYSTEM)")
    p.add_argument("--root", type=Path, help="folder of the data set, as its owners distribute it")
    p.add_argument("--data", type=Path, help="packed data set of train.prepare")
    p.add_argument("--epochs", type=int, help="replaces the configured number")
    p.add_argument(
        "--initial", type=Path, help="best.pt or engine file to start from, not random weights"
    )
    earlier = p.add_mutually_exclusive_group()
    earlier.add_argument("--resume", action="store_true", help="continue from last.ckpt")
    earlier.add_argument(
        "--overwrite", action="store_true", help="delete the run that is there first"
    )
    p.add_argument("--devices", type=int, default=1, help="GPUs or processes per machine")
    p.add_argument("--nodes", type=int, default=1, help="machines")
    p.add_argument("--strategy", default="auto", help="Lightning's, e.g. ddp or fsdp")
    p.add_argument("--accelerator", default="auto", help="Lightning's: auto, cpu, gpu")
    p.add_argument(
        "--precision",
        help="Lightning's, e.g. 32-true (default: as configured, if the machine can)",
    )

    p = _verb(verbs, "evaluate", _evaluate, "score an engine file or a checkpoint")
    p.add_argument("system", help=known)
    p.add_argument("--engine", help="engine file or name (default: the system's name)")
    p.add_argument("--checkpoint", type=Path, help="best.pt of a run, computed by PyTorch")
    p.add_argument("--data", type=Path, help="packed data set of train.prepare")
    p.add_argument("--root", type=Path, help="folder of the data set, as its owners distribute it")
    p.add_argument(
        "--part",
        choices=["train", "validation", "test"],
        default="validation",
        help="of the split (default: validation)",
    )
    p.add_argument("--tta", choices=AUGMENTATIONS, default="none", help="mean over views")
    p.add_argument("--width", type=int, metavar="PX", help="bring images to this width first")
    p.add_argument("--output", "-o", type=Path, help="also write everything to this JSON file")
    p.add_argument(
        "--record", action="store_true", help="add the scores to train/results and its table"
    )

    p = _verb(verbs, "report", _report, "write a run's report.html")
    p.add_argument("folder", metavar="RUN", type=Path, help="folder of fit")
    p.add_argument("--engine", type=Path, help="engine file (default: RUN/NAME.pyengine)")
    p.add_argument(
        "--part", choices=["validation", "test"], help="default: test if the data has one"
    )
    p.add_argument("--data", type=Path, help="packed data set (default: RUN/data.h5)")

    p = _verb(verbs, "ship", _ship, "build the engine of a run with its card and scores")
    p.add_argument("folder", metavar="RUN", type=Path, help="folder of fit")
    p.add_argument("--into", type=Path, help="folder to write to (default: RUN)")
    p.add_argument("--data", type=Path, help="packed data set (default: RUN/data.h5)")

    p = _verb(verbs, "results", _results, "renew the table of results, train/RESULTS.md")
    p.add_argument("folders", metavar="RUN", type=Path, nargs="*", help="shipped runs to add")
    return parser


def _verb(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    described = text[:1].upper() + text[1:]  # capitalize() would lower names
    p: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=described)
    p.set_defaults(run=run)
    return p


def _fit(args: argparse.Namespace) -> None:
    from train.fit import fit

    overrides = {} if args.epochs is None else {"trainer": {"epochs": args.epochs}}
    config = load_config(args.system, overrides)
    out = args.output or Path("runs") / config.name
    print(
        fit(
            config, out, data=args.data, root=args.root, initial=args.initial, resume=args.resume,
            overwrite=args.overwrite, devices=args.devices, nodes=args.nodes,
            strategy=args.strategy, accelerator=args.accelerator, precision=args.precision,
        )
    )  # fmt: skip


def _evaluate(args: argparse.Namespace) -> None:
    from pyengine.atomic_file import write_atomically
    from pyengine.distinct_files import check_distinct
    from train.data.store import Store
    from train.evaluate import evaluate
    from train.prepare import prepare, refuse_within
    from train.subject import open_checkpoint, open_engine

    config = load_config(args.system)
    if args.engine and args.checkpoint:
        raise ValueError("give --engine or --checkpoint, not both")
    if args.record and (args.engine or args.checkpoint):
        raise ValueError("--record is for the engine that ships: no --engine or --checkpoint")
    if args.output:
        subject_file = args.checkpoint or resolve(args.engine or config.name)
        read = [subject_file, config_file(args.system), *([args.data] if args.data else [])]
        check_distinct(read, [(args.output, "the scores")])
        refuse_within(config, args.root, args.output)
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if data is None:
            data = Path(folder) / "data.h5"
            prepare(config, args.root, data)
        if args.checkpoint:
            subject = open_checkpoint(args.checkpoint, config.system, config.data, args.tta)
        else:
            subject = open_engine(args.engine or config.name, config.data, args.tta)
        result = evaluate(subject, Store(data, config.system), args.part, args.width)
    print(f"{result['kind']}, {result['images']} {args.part} images, {result['subjects']} subjects")
    human = result.get("second_observer", {})
    width = max(18, *map(len, result["scores"]))
    for name, value in result["scores"].items():
        low, high = result["intervals"].get(name, (None, None))
        interval = f"   95 % interval {low:.4f} to {high:.4f}" if low is not None else ""
        other = f"   second observer {human[name]:.4f}" if name in human else ""
        print(f"  {name:<{width}} {value:.4f}{interval}{other}")
    if args.output:
        text = json.dumps(result, indent=1)
        write_atomically(args.output, lambda temporary: temporary.write_text(text))
    if args.record:
        from train.results import add_part, update_results
        from train.ship import kept

        print(add_part(config.name, kept(result)))
        print(update_results([]))


def _report(args: argparse.Namespace) -> None:
    from train.report import write_report

    print(write_report(args.folder, args.engine, args.part, args.data))


def _ship(args: argparse.Namespace) -> None:
    from train.ship import ship

    print(ship(args.folder, args.into, args.data))


def _results(args: argparse.Namespace) -> None:
    from train.results import update_results

    print(update_results(args.folders))


if __name__ == "__main__":
    sys.exit(main())
