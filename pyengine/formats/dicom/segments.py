"""Labels from the segments of a DICOM Segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.dicom.frames import Frames
from pyengine.formats.dicom.header import orientation, positions
from pyengine.formats.format import Array

_SEGMENT_NUMBER = 0x0062000B


def is_segmentation(header: Any) -> bool:
    """Whether frames are segments, not images."""
    return header.get("SegmentationType") in ("BINARY", "FRACTIONAL")


class SegmentFrames:
    """Frames of labels: the number of the segment that a pixel belongs to, the last of several.

    Has what `Frames` has.

    Raises
    ------
    ImageRefusedError
        Segments are fractions, or frames of a slide.
    """

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, frames: Frames) -> None:
        header = frames.header
        if header.SegmentationType != "BINARY" or "TotalPixelMatrixRows" in header:
            raise ImageRefusedError(
                "is a segmentation in fractions or of a slide, which is not read"
            )
        self._frames, self.header, self.shape = frames, header, frames.shape
        pointers = [item.DimensionIndexPointer for item in header.DimensionIndexSequence]
        at = pointers.index(_SEGMENT_NUMBER) if _SEGMENT_NUMBER in pointers else None
        shared = header.get("SharedFunctionalGroupsSequence") or [None]
        found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for number, groups in enumerate(header.PerFrameFunctionalGroupsSequence):
            own = groups if "SegmentIdentificationSequence" in groups else shared[0]
            segment = int(own.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            values = groups.FrameContentSequence[0].DimensionIndexValues
            index = [int(v) for v in np.atleast_1d(values)]
            if at is not None:
                del index[at]
            found.setdefault(tuple(index), []).append((segment, number))
        self._members = [sorted(found[key]) for key in sorted(found)]
        self.count = len(self._members)
        every, turn = positions(header), orientation(header)
        #: Where each lies, as far as that is known.
        self.places = every
        if len(every) > 1 and turn is not None:
            normal = np.cross(turn[:3], turn[3:])
            self._members.sort(key=lambda members: float(normal @ np.array(every[members[0][1]])))
            self.places = [every[members[0][1]] for members in self._members]

    def frame(self, number: int) -> Array:
        """Labels of one image."""
        labels = np.zeros(self.shape, self.dtype)
        for segment, stored in self._members[number]:
            labels[self._frames.frame(stored) != 0] = segment
        return labels

    def close(self) -> None:
        """Release the file."""
        self._frames.close()
