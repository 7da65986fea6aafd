"""Where the voxels of a volume lie in the patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyengine.formats.format import Calibration

# From LPS (DICOM, ITK) to RAS (NIfTI) and back.
_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Geometry:
    """Places of voxels, in DICOM's and ITK's coordinates: left, posterior, superior [mm].

    Attributes
    ----------
    affine : tuple of 4 rows
        From indices (x, y, z) of columns, rows and pages to the middle of a voxel.
    spacing_mm : (float, float, float)
        Of neighbours along x, y and z, as the file says it.
    """

    affine: tuple[tuple[float, ...], ...]
    spacing_mm: tuple[float, float, float]

    @staticmethod
    def of(affine: npt.ArrayLike, spacing_mm: Iterable[float] | None = None) -> Geometry:
        """From a 4x4 matrix; the lengths of its columns are the spacing if none is given."""
        matrix = np.asarray(affine, np.float64)
        lengths = np.linalg.norm(matrix[:3, :3], axis=0) if spacing_mm is None else spacing_mm
        x, y, z = (float(length) for length in lengths)
        return Geometry(tuple(tuple(map(float, row)) for row in matrix), (x, y, z))

    @staticmethod
    def at(
        origin: Sequence[float], directions: npt.ArrayLike, spacing_mm: Iterable[float]
    ) -> Geometry:
        """From the first voxel's place and a 3x3 matrix whose columns are the axes' directions."""
        steps = tuple(spacing_mm)
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(directions, np.float64) * np.array(steps)
        matrix[:3, 3] = origin
        return Geometry.of(matrix, steps)

    @staticmethod
    def from_ras(affine: npt.ArrayLike, spacing_mm: Iterable[float] | None = None) -> Geometry:
        """From NIfTI's matrix, whose coordinates are right, anterior, superior."""
        return Geometry.of(_FLIP_XY @ np.asarray(affine, np.float64), spacing_mm)

    @staticmethod
    def from_calibration(calibration: Calibration | None) -> Geometry | None:
        """At the origin, along the axes; None where sizes are unknown or in no unit of length."""
        mm = None if calibration is None else calibration.in_unit("mm")
        if mm is None:
            return None
        depth = mm.width if mm.depth is None else mm.depth
        return Geometry.at((0, 0, 0), np.eye(3), (mm.width, mm.height, depth))

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """`affine` as an array."""
        return np.array(self.affine)

    @property
    def ras(self) -> npt.NDArray[np.float64]:
        """The matrix for NIfTI."""
        return np.asarray(_FLIP_XY @ self.matrix)

    @property
    def origin(self) -> tuple[float, ...]:
        """The middle of the first voxel [mm]."""
        return tuple(float(v) for v in self.matrix[:3, 3])

    @property
    def directions(self) -> npt.NDArray[np.float64]:
        """Columns of length 1: where x, y and z lead."""
        axes = self.matrix[:3, :3]
        return np.asarray(axes / np.linalg.norm(axes, axis=0))

    @property
    def calibration(self) -> Calibration:
        """The same without place and direction."""
        x, y, z = self.spacing_mm
        return Calibration(y, x, "mm", z)

    def turned(self, order: Sequence[int]) -> Geometry:
        """Of the array whose x, y and z are these axes of this one."""
        return Geometry.of(self.matrix[:, [*order, 3]], [self.spacing_mm[axis] for axis in order])

    def scaled(self, factor: float) -> Geometry:
        """Of pages whose pixels are `factor` times as wide and high, and cover the same place."""
        matrix = self.matrix
        matrix[:3, 3] += (factor - 1) / 2 * (matrix[:3, 0] + matrix[:3, 1])
        matrix[:3, :2] *= factor
        x, y, z = self.spacing_mm
        return Geometry.of(matrix, (x * factor, y * factor, z))
