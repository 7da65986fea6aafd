"""Stores of Zarr: a folder, or what fsspec reaches; and the image in one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyengine.formats.boundary import ImageRefusedError
from pyengine.formats.format import Calibration, Location
from pyengine.formats.remote import url_of

MARKS = ("zarr.json", ".zgroup", ".zarray")
# Units of lengths: OME-Zarr's words, and OME's.
UNITS = {
    "nanometer": "nm", "micrometer": "µm", "millimeter": "mm", "centimeter": "cm", "meter": "m",
    "inch": "in",
}  # fmt: skip
_MOST_NAMES = 20  # in messages


@dataclass(frozen=True)
class Image:
    """One image of a store: its arrays from the largest, and what is said of them.

    Attributes
    ----------
    levels : tuple of zarr.Array
    axes : str or None
        Names of axes, one letter each; None where they are not named.
    scales : tuple of (tuple of float)
        Of each level, along its axes.
    units : tuple of (str or None)
        Of each axis; as OME writes them.
    notes : dict
        See `Reader.notes`.
    """

    levels: tuple[Any, ...]
    axes: str | None
    scales: tuple[tuple[float, ...], ...] = ()
    units: tuple[str | None, ...] = ()
    notes: dict[str, str] | None = None

    def calibration(self, level: int) -> Calibration | None:
        """Of the pixels of a level."""
        if self.axes is None or not self.scales or not {"y", "x"} <= set(self.axes):
            return None
        size = dict(zip(self.axes, self.scales[level], strict=True))
        unit = dict(zip(self.axes, self.units, strict=True))
        if unit["x"] is None or unit["x"] != unit["y"]:
            return None
        depth = size.get("z") if unit.get("z") == unit["x"] else None
        return Calibration(size["y"], size["x"], unit["x"], depth)


def open_store(path: Path, read_only: bool = True) -> Any:
    """The store at a path or URL."""
    import zarr.storage

    url = url_of(path)
    if url is None:
        return zarr.storage.LocalStore(path, read_only=read_only)
    import fsspec

    # Local files, archives and memory have no asynchronous access of their own.
    options: dict[str, Any] = {}
    if fsspec.get_filesystem_class(url.split(":")[0]).async_impl:
        options["asynchronous"] = True
    return zarr.storage.FsspecStore.from_url(url, storage_options=options, read_only=read_only)


def version_of(path: Path) -> str:
    """The version of OME-Zarr that an image is of; empty where it is none."""
    import zarr

    node = zarr.open(open_store(path), mode="r")
    if isinstance(node, zarr.Array):
        return ""
    if "ome" in node.attrs:
        return "0.5"
    return "0.4" if "multiscales" in node.attrs else ""


def find_image(source: Location) -> Image:
    """The image that a location names.

    Raises
    ------
    ImageRefusedError
        There are several, or none, or what is said of it is not by the specification.
    """
    import zarr

    name = inner_path(source.name or "")
    node: Any = zarr.open(open_store(source.path), mode="r", path=name)
    if isinstance(node, zarr.Array):
        names = node.metadata.dimension_names if node.metadata.zarr_format == 3 else None
        letters = [n for n in names or () if n is not None and len(n) == 1]
        axes = "".join(letters).lower() if len(letters) == node.ndim else None
        return Image((node,), axes)
    if _multiscales(node) is not None:
        return _ome_image(node)
    members = [path for path, _ in _images_below(node)]
    if len(members) == 1:
        inner = f"{name}/{members[0]}" if name else members[0]
        return find_image(Location(source.path, inner))
    kind = "is a plate; " if _said(node, "plate") is not None else ""
    listed = ", ".join(members[:_MOST_NAMES]) + (", ..." if len(members) > _MOST_NAMES else "")
    raise ImageRefusedError(
        f"{source.path}: {kind}name the image as {source.path}:/NAME; it holds {listed or 'none'}"
    )


def inner_path(name: str) -> str:
    """The name of a member; refused if it leads out of the store."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith("/"):
        raise ImageRefusedError(f"the name {name!r} leads out of the store")
    return "/".join(part for part in parts if part not in ("", "."))


def _said(node: Any, key: str) -> Any:
    """An entry of OME's metadata, as 0.5 or as 0.4 keeps it."""
    ome = node.attrs.get("ome")
    return (ome if isinstance(ome, dict) else node.attrs).get(key)


def _multiscales(node: Any) -> Any:
    return _said(node, "multiscales")


def _ome_image(node: Any) -> Image:
    from ome_zarr_models.v04.image import ImageAttrs as Attrs04
    from ome_zarr_models.v05.image import ImageAttrs as Attrs05
    from pydantic import ValidationError

    ome = node.attrs.get("ome")
    version = (ome if isinstance(ome, dict) else node.attrs["multiscales"][0]).get("version")
    if version not in ("0.4", "0.5"):
        raise ImageRefusedError(
            f"is OME-Zarr {version or 'of no stated version'}; 0.4 and 0.5 are read"
        )
    try:
        attributes: Any = (
            Attrs05.model_validate(ome) if version == "0.5"
            else Attrs04.model_validate(dict(node.attrs))
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ImageRefusedError(
            f"its OME-Zarr metadata is wrong: {place}: {first['msg']}"
        ) from error
    if len(attributes.multiscales) != 1:
        raise ImageRefusedError(f"has {len(attributes.multiscales)} pyramids in one group")
    pyramid = attributes.multiscales[0]
    common = _scale(pyramid.coordinateTransformations, len(pyramid.axes))
    names = [axis.name.lower() for axis in pyramid.axes]
    if any(len(name) > 1 for name in names):
        raise ImageRefusedError(f"has axes {names}; those of one letter are taken")
    levels, scales = [], []
    for dataset in pyramid.datasets:
        levels.append(node[inner_path(dataset.path)])
        own = _scale(dataset.coordinateTransformations, len(names))
        scales.append(tuple(a * b for a, b in zip(own, common, strict=True)))
    notes = node.attrs.get("pyengine")
    return Image(
        tuple(levels), "".join(names), tuple(scales),
        tuple(UNITS.get(str(axis.unit)) for axis in pyramid.axes),
        {str(k): str(v) for k, v in notes.items()} if isinstance(notes, dict) else None,
    )  # fmt: skip


def _scale(transformations: Any, axes: int) -> tuple[float, ...]:
    for one in transformations or ():
        if one.type == "scale" and isinstance(one.scale, (list, tuple)):
            return tuple(float(v) for v in one.scale)
    return (1.0,) * axes


def _images_below(group: Any, depth: int = 3) -> list[tuple[str, Any]]:
    """Names of images and of arrays that are part of none."""
    import zarr

    found: list[tuple[str, Any]] = []
    for name, node in sorted(group.members()):
        if isinstance(node, zarr.Array) or _multiscales(node) is not None:
            found.append((name, node))
        elif depth > 1:
            found += [(f"{name}/{inner}", one) for inner, one in _images_below(node, depth - 1)]
    return found
