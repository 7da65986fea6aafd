"""How labels are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.measurements.instances import METHODS
from pyengine.measurements.spacing import Spacing

MOST_CLASSES = 1 << 16


@dataclass(frozen=True)
class Settings:
    """How labels are measured.

    Attributes
    ----------
    names : sequence of str
        Of the classes.
    spacing : Spacing or None
    object_classes : sequence of int
        Of which classes objects are told apart.
    connectivity : {"sides", "corners"}
        What makes pixels neighbours.
    volume : bool
        Whether pages are slices of one volume.
    properties : sequence of str
        Of scikit-image, which are computed of each object besides.
    instances : {"components", "watershed"}
        What an object is; see `instances`.
    min_distance : int
        Of a watershed.
    """

    names: Sequence[str]
    spacing: Spacing | None
    object_classes: Sequence[int]
    connectivity: str = "corners"
    volume: bool = False
    properties: Sequence[str] = ()
    instances: str = "components"
    min_distance: int = 10

    def __post_init__(self) -> None:
        if self.connectivity not in ("sides", "corners"):
            raise ValueError(
                f"connectivity must be 'sides' or 'corners', got {self.connectivity!r}"
            )
        if self.instances not in METHODS:
            raise ValueError(
                f"instances must be one of {', '.join(METHODS)}, got {self.instances!r}"
            )
        if self.min_distance < 1:
            raise ValueError(f"min_distance must be at least 1 px, got {self.min_distance}")
        if not 1 <= len(self.names) <= MOST_CLASSES:
            raise ValueError(f"classes must be 1 to {MOST_CLASSES}, got {len(self.names)}")
        wrong = [k for k in self.object_classes if not 0 <= k < len(self.names)]
        if wrong:
            raise ValueError(f"object class {wrong[0]} is none of the {len(self.names)} classes")

    @property
    def is_split(self) -> bool:
        """Whether objects that touch are told apart."""
        return self.instances == "watershed"

    @property
    def step(self) -> int:
        """Values of objects are alike modulo this number if their class is the same."""
        return len(self.names) + 1
