"""OCT B-scans in four classes: choroidal neovascularisation, DME, drusen and normal.

D. S. Kermany et al., "Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep
Learning", Cell 172(5), 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.data.files import need_folder, read_grey
from train.data.sample import Sample

CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")


def load(root: Path) -> Iterator[Sample]:
    """Read ``train/``, ``test/`` and ``val/``, whichever are there, each with a folder per class.

    Parameters
    ----------
    root : Path
        Files are named ``CLASS-PATIENT-N.jpeg``.

    Yields
    ------
    Sample
        The label is the index in `CLASSES`. Patients of ``train/`` are split by their number;
        ``test/`` and ``val/`` are for tests.

    Raises
    ------
    FileNotFoundError, ValueError
        A class folder is missing or empty, or a file cannot be read.
    """
    need_folder(root, "Kermany 2018 is distributed as the folders train, test and val")
    parts = [p for p in ("train", "test", "val") if (root / p).is_dir()]
    if not parts:
        raise FileNotFoundError(f"{root}: holds none of the folders train, test, val")
    for part in parts:
        for index, name in enumerate(CLASSES):
            folder = need_folder(root / part / name, f"images of class {name}")
            files = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpeg", ".jpg"))
            if not files:
                raise FileNotFoundError(f"{folder}: holds no .jpeg file")
            for path in files:
                yield Sample(
                    name=f"{part}/{name}/{path.stem}",
                    subject="-".join(path.stem.split("-")[:2]),
                    image=read_grey(path),
                    label=np.array(index, np.uint8),
                    split=None if part == "train" else "test",
                )
