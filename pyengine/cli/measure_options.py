"""Options of `segment` about what is made of labels, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyengine.info import EngineInfo
from pyengine.measurements.extra import scikit_image
from pyengine.measurements.instances import METHODS
from pyengine.measurements.spacing import Spacing, parse_spacing
from pyengine.measurements.table import SUFFIXES, check_table_suffix

_FLAGS = (
    "overlay", "measure", "instances", "contours", "probabilities", "uncertainty", "oct", "montage",
)  # fmt: skip
_OF_LABELS = ("--measure", "--instances", "--contours", "--oct", "--montage")


def add_measure_options(p: argparse.ArgumentParser) -> None:
    group = p.add_argument_group(
        "what is made of labels", "Files beside each result, or FILE for all images of the call. "
        "docs/measurements.md defines every number."
    )  # fmt: skip
    group.add_argument("--overlay", action="store_true", help="also write NAME.overlay.png")
    group.add_argument(
        "--measure", metavar="FILE",
        help="a table with area, fraction and mean intensity of each class of each image, as "
        f"{', '.join(SUFFIXES)}; beside it one of the objects (NAME.objects.csv), and with "
        "--volume one of volumes",
    )  # fmt: skip
    group.add_argument(
        "--spacing", metavar="Y[xX]UNIT",
        help="of pixels, as 0.5um, 3.9x11.3um (Y x X) or 0.24x0.0039x0.0113mm (Z x Y x X); for "
        "areas in mm^2 (default: as the file says)",
    )  # fmt: skip
    group.add_argument(
        "--instances", choices=METHODS,
        help="also write NAME.instances.tif, in which each object has a number: connected "
        "components, or split where they are narrow; the tables are of the same objects",
    )  # fmt: skip
    group.add_argument(
        "--min-distance", type=int, metavar="PX", default=10,
        help="of a watershed: least distance between the centres of objects (default: 10)",
    )  # fmt: skip
    group.add_argument(
        "--object-classes", metavar="NAME,...",
        help="classes whose objects are told apart (default: all but the first)",
    )  # fmt: skip
    group.add_argument(
        "--connectivity", choices=["corners", "sides"], default="corners",
        help="whether pixels that touch at a corner only belong together (default: corners)",
    )  # fmt: skip
    group.add_argument(
        "--properties", metavar="NAME,...", default="",
        help="columns of the table of objects besides, by scikit-image's names (eccentricity, ...)",
    )  # fmt: skip
    group.add_argument(
        "--contours", action="store_true",
        help="also write NAME.geojson, the objects as polygons, for QuPath",
    )  # fmt: skip
    group.add_argument(
        "--probabilities", action="store_true",
        help="also write NAME.probabilities.tif (the network runs once more)",
    )  # fmt: skip
    group.add_argument(
        "--uncertainty", action="store_true",
        help="also write NAME.uncertainty.tif, the entropy of the probabilities from 0 to 1 (the "
        "network runs once more)",
    )  # fmt: skip
    group.add_argument(
        "--volume", action="store_true",
        help="pages of a stack are slices of one volume: objects reach across them",
    )  # fmt: skip
    group.add_argument(
        "--oct", action="store_true",
        help="images are OCT B-scans: also write NAME.thickness.tif (a map of each class) and "
        "NAME.enface.tif; with --measure tables of A-scans and of the ETDRS grid",
    )  # fmt: skip
    group.add_argument("--laterality", choices=["OD", "OS"], help="of the eye, for the grid")
    group.add_argument(
        "--montage", metavar="FILE", help="one PNG of all images with their labels in colour"
    )


def flags_given(args: argparse.Namespace) -> list[str]:
    """Which files are asked for besides results."""
    return [f"--{flag}" for flag in _FLAGS if getattr(args, flag)]


@dataclass(frozen=True)
class MeasureOptions:
    """What was asked for, checked; see `add_measure_options`."""

    spacing: Spacing | None
    object_classes: tuple[str, ...] | None
    settings: dict[str, Any]
    laterality: str | None

    def classes_of(self, info: EngineInfo) -> Sequence[int] | None:
        """Numbers of the classes whose objects are told apart; None for all but the first.

        Raises
        ------
        ValueError
            The engine has no class of such a name.
        """
        if self.object_classes is None:
            return None
        unknown = [name for name in self.object_classes if name not in info.classes]
        if unknown:
            raise ValueError(
                f"--object-classes: {unknown[0]!r} is none of {', '.join(info.classes)}"
            )
        return [info.classes.index(name) for name in self.object_classes]

    @property
    def made(self) -> dict[str, Any]:
        """What numbers follow from, besides labels and image."""
        spacing = self.spacing and (self.spacing.depth, self.spacing.height, self.spacing.width)
        return {
            **self.settings, "spacing_mm": spacing, "object_classes": self.object_classes,
            "laterality": self.laterality,
        }  # fmt: skip


def measure_options(args: argparse.Namespace) -> MeasureOptions:
    """The options, before work begins.

    Raises
    ------
    ValueError
        Words without sense, or options that contradict each other.
    ImportError
        A library is missing.
    """
    of_labels = [flag for flag in flags_given(args) if flag in _OF_LABELS]
    if of_labels and args.output_kind != "labels":
        raise ValueError(
            f"{of_labels[0]} reads labels, and the output are {args.output_kind}; leave out "
            "--output-kind and --result, or add --probabilities or --uncertainty instead"
        )
    if args.instances or args.contours or args.measure:
        scikit_image()
    if args.measure:
        check_table_suffix(Path(args.measure))
    if args.montage and Path(args.montage).suffix.lower() != ".png":
        raise ValueError(f"--montage {args.montage}: is written as .png")
    if args.laterality and not args.oct:
        raise ValueError("--laterality is about OCT volumes: give --oct as well")
    if args.min_distance < 1:
        raise ValueError(f"--min-distance must be at least 1 px, got {args.min_distance}")
    classes = _listed(args.object_classes) if args.object_classes else None
    return MeasureOptions(
        parse_spacing(args.spacing) if args.spacing else None,
        classes,
        {
            "connectivity": args.connectivity,
            "volume": args.volume,
            "properties": _listed(args.properties),
            "instances": args.instances or "components",
            "min_distance": args.min_distance,
        },
        args.laterality,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
