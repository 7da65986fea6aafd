"""Tiny data sets in the layouts of the real ones, drawn by the phantoms."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io
import tifffile
from PIL import Image

from pyengine.phantoms import DISEASES, fundus_phantom, nerve_phantom, oct_phantom, synthetic_em


def isbi2012(root: Path, sections: int = 4, size: int = 96) -> Path:
    root.mkdir(parents=True)
    images = np.stack([synthetic_em(size, size, seed=i) for i in range(sections)])
    tifffile.imwrite(root / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(
        root / "train-labels.tif",
        np.where(images < 110, 0, 255).astype(np.uint8),
        photometric="minisblack",
    )
    tifffile.imwrite(root / "test-volume.tif", images[:2], photometric="minisblack")
    return root


def drive(root: Path, training: int = 3, test: int = 1, size: int = 80) -> Path:
    """Second observer as a palette image with entries 0 and 1, as in the original."""
    for part, first, count in (("training", 21, training), ("test", 1, test)):
        for name in ("images", "1st_manual", "mask"):
            (root / part / name).mkdir(parents=True)
        for number in range(first, first + count):
            image, vessel = fundus_phantom(size, size - 6, seed=number)
            stem = f"{number:02d}_{part}"
            tifffile.imwrite(root / part / "images" / f"{stem}.tif", image)
            label = Image.fromarray(vessel * 255)
            label.save(root / part / "1st_manual" / f"{number:02d}_manual1.gif")
            field = Image.fromarray((image.max(2) > 20).astype(np.uint8) * 255)
            field.save(root / part / "mask" / f"{stem}_mask.gif")
            if part == "test":
                (root / part / "2nd_manual").mkdir(exist_ok=True)
                second = Image.fromarray(vessel, "P")
                second.putpalette([0, 0, 0, 255, 255, 255] + [0] * 762)
                second.save(root / part / "2nd_manual" / f"{number:02d}_manual2.gif")
    return root


def chiu2015(root: Path, subjects: int = 3, scans: int = 5, version: str = "5") -> Path:
    """Every second B-scan annotated; one empty; subject 1 with a second observer."""
    root.mkdir(parents=True)
    for number in range(1, subjects + 1):
        phantoms = [oct_phantom(64, 96, "DME", seed=10 * number + b) for b in range(scans)]
        images = np.stack([p.image for p in phantoms], axis=2)
        fluid = np.stack([p.fluid * 3.0 for p in phantoms], axis=2)
        fluid[..., 1::2] = np.nan
        images[..., scans - 1] = 0
        content = {
            "images": images,
            "manualFluid1": fluid,
            "manualLayers1": np.zeros((8, 96, scans)),
        }
        if number == 1:
            content["manualFluid2"] = fluid
        path = root / f"Subject_{number:02d}.mat"
        if version == "5":
            scipy.io.savemat(path, content)
        else:
            with h5py.File(path, "w") as file:
                for key, value in content.items():
                    file[key] = value.T
    return root


def ultrasound_nerve(root: Path, subjects: int = 3, each: int = 2) -> Path:
    folder = root / "train"
    folder.mkdir(parents=True)
    for subject in range(1, subjects + 1):
        for number in range(1, each + 1):
            image, mask = nerve_phantom(60, 80, seed=100 * subject + number)
            if number == each:
                mask = np.zeros_like(mask)
            tifffile.imwrite(folder / f"{subject}_{number}.tif", image)
            tifffile.imwrite(folder / f"{subject}_{number}_mask.tif", mask * 255)
    return root


def kermany2018(root: Path, parts: tuple[str, ...] = ("train", "val"), each: int = 2) -> Path:
    for part in parts:
        for disease in DISEASES:
            folder = root / part / disease
            folder.mkdir(parents=True)
            for i in range(each):
                image = oct_phantom(64, 96, disease, seed=i + 50 * parts.index(part)).image
                name = f"{disease}-{1000 * parts.index(part) + i}-1.jpeg"
                Image.fromarray(image).save(folder / name)
    return root
