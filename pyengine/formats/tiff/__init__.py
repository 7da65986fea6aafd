"""TIFF, its dialects (OME, ImageJ, slides) and pyramids: a package, since it is many formats."""

from pyengine.formats.tiff.format import Slide, Tiff

__all__ = ["Slide", "Tiff"]
