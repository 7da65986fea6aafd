"""``python -m train``: train one of the configured systems, or score an engine on its data."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from train.config import load_config


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    fit = verbs.add_parser("fit", help="train a system and write checkpoints")
    fit.add_argument("system", help="name in train/configs, or a TOML file")
    fit.add_argument("--output", "-o", type=Path, help="folder (default: runs/SYSTEM)")
    fit.add_argument("--steps", type=int, help="replaces the configured number of steps")
    fit.add_argument("--resume", action="store_true", help="continue from last.pt")
    evaluate = verbs.add_parser("evaluate", help="score an engine on the validation sections")
    evaluate.add_argument("system", help="name in train/configs, or a TOML file")
    evaluate.add_argument("--engine", help="engine file or name (default: the system's name)")
    args = parser.parse_args(argv)
    try:
        if args.verb == "evaluate":
            return _evaluate(args)
        overrides = {} if args.steps is None else {"steps": args.steps}
        config = load_config(args.system, **overrides)
        from train.fit import fit as run

        checkpoint = run(config, args.output or Path("runs") / config.system, args.resume)
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    print(checkpoint)
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from train.evaluate import evaluate_engine

    config = load_config(args.system)
    print(json.dumps(evaluate_engine(args.engine or config.system, config)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
