"""The verb report: a page about a folder of results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyengine.report.gather import Found
from pyengine.report.page import ReportOptions, write_report


def add_report_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", help="an output folder of `pyengine segment`")
    p.add_argument("--output", "-o", metavar="HTML", help="default: report.html in the folder")
    p.add_argument("--images", metavar="FOLDER", help="where images lie that were moved since")
    p.add_argument(
        "--most", type=int, default=100, metavar="N",
        help="so many results have pictures; all are in the table (default: 100)",
    )  # fmt: skip
    p.add_argument(
        "--oct", action="store_true",
        help="results are OCT volumes: show maps of thickness and the ETDRS grid (default: where "
        "they were segmented with --oct --measure)",
    )  # fmt: skip
    p.add_argument("--laterality", choices=["OD", "OS"], help="of the eye, for the grid")


def run_report(args: argparse.Namespace) -> int:
    if args.most < 0:
        raise ValueError(f"--most must be at least 0, got {args.most}")
    options = ReportOptions(
        Path(args.images) if args.images else None, args.most, args.oct, args.laterality
    )
    target = Path(args.output) if args.output else None
    page, failed = write_report(Path(args.folder), target, options, _told)
    for line in failed:
        print(f"pyengine: {line}", file=sys.stderr)
    print(f"wrote {page} ({page.stat().st_size / 1e6:.1f} MB)")
    return 1 if failed else 0


def _told(found: Sequence[Found]) -> Any:
    from tqdm import tqdm

    return tqdm(found, unit="image", disable=not sys.stderr.isatty())
