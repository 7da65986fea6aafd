"""Axes of stored arrays, as letters in the array's order: which are rows, columns, channels, images.

Y are rows and X columns, C channels. Along all others lie images that are segmented one by one.
"""

from __future__ import annotations

from pyengine.formats.boundary import ImageRefusedError

# Channels last are told by their number: no image is so narrow.
DEPTHS = (1, 2, 3, 4)


def axes_by_lengths(shape: tuple[int, ...], channels: int) -> str:
    """Axes of an array whose file says nothing of them.

    (H, W), (H, W, C), (N, H, W), (N, H, W, C); for networks of several channels also (C, H, W)
    and (N, C, H, W). Decided by the length of the last axis, then by the network's channels.

    Raises
    ------
    ImageRefusedError
        Another number of axes.
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) not in (3, 4):
        raise ImageRefusedError(
            f"shape {shape} is not (H, W), (H, W, C), (N, H, W) or (N, H, W, C); name its axes, "
            "as in axes='TZYX' (--axes TZYX)"
        )
    stack = "N" if len(shape) == 4 else ""
    if shape[-1] in (*DEPTHS, channels):
        return f"{stack}YXC"
    if len(shape) == 3:
        return "CYX" if shape[0] == channels > 1 else "NYX"
    return "NCYX" if shape[1] == channels else "NYXC"


def matlab_axes(stored: tuple[int, ...], channels: int) -> str | None:
    """Axes of an array of MATLAB, which shows (H, W, C, N) where its file stores (N, C, W, H).

    The third axis, where it has no number of channels, is that of images. None for shapes of
    which only the user can tell.
    """
    colour = len(stored) == 3 and stored[0] in (*DEPTHS, channels)
    return {2: "XY", 3: "CXY" if colour else "NXY", 4: "NCXY"}.get(len(stored))


def check_axes(axes: str, shape: tuple[int, ...]) -> str:
    """The user's word for the axes of an array of this shape, in capitals.

    Raises
    ------
    ImageRefusedError
        It does not name each axis once, Y and X among them.
    """
    letters = axes.upper()
    if len(letters) != len(shape):
        raise ImageRefusedError(
            f"axes {axes!r} name {len(letters)} axes, the array of shape {shape} has {len(shape)}"
        )
    if not letters.isalpha() or len(set(letters)) < len(letters) or not {"Y", "X"} <= set(letters):
        raise ImageRefusedError(
            f"axes {axes!r} must be distinct letters with Y and X among them, as in ZYX or YXC"
        )
    return letters
