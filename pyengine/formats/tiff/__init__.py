"""TIFF, its dialects (OME, ImageJ, slides) and pyramids: a package, since it is many formats."""

from pyengine.formats.tiff.format import Tiff

__all__ = ["Tiff"]
