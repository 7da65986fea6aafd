"""DICOM: single images, series of files, multi-frame files and whole slides; segmentations out."""

from __future__ import annotations

from pyengine.formats.dicom.format import Dicom

__all__ = ["Dicom"]
