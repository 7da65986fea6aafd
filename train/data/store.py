"""A data set packed into one HDF5 file: images, labels, split, and the hash of its source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pyengine.atomic_file import write_atomically
from train.data.guarded_file import GuardedFile
from train.data.sample import Sample, check_sample
from train.settings import SplitConfig

_FORMAT = 1
_ARRAYS = ("image", "label", "region", "second")
SPLITS = ("train", "validation", "test", "context")


def pack(
    samples: Iterable[Sample], path: Path, system: str, classes: tuple[str, ...], split: SplitConfig
) -> dict[str, int]:
    """Write all samples to one file; an older file of that name survives a failure.

    Parameters
    ----------
    samples : iterable of Sample
        Read one after the other; the data set may be larger than memory.
    path : Path
        The ``.h5`` file to write.
    system : str
        Stored, and checked on reading.
    classes : tuple of str
        Class names; labels must be below their number.
    split : SplitConfig
        Subjects kept away from training, where a sample does not say itself.

    Returns
    -------
    dict of int
        Images per part: train, validation, test, and context (not annotated).

    Raises
    ------
    ValueError
        A sample that does not fit, two of one name, or an empty training or validation part.
    OSError
        The file cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(SPLITS, 0)

    def write(temporary: Path) -> None:
        digest = hashlib.sha256()
        index: dict[str, list[Any]] = {
            k: [] for k in ("name", "subject", "split", "volume", "position")
        }
        subjects: dict[str, set[str]] = {}
        with GuardedFile(temporary) as guard, h5py.File(guard, "w") as file:
            for number, sample in enumerate(samples):
                check_sample(sample, len(classes), system)
                part = _part(sample, split)
                counts[part] += 1
                if part != "context":
                    subjects.setdefault(sample.subject, set()).add(part)
                group = file.create_group(f"samples/{number:06d}")
                for name in _ARRAYS:
                    array = getattr(sample, name)
                    if array is not None:
                        _write(group, name, array)
                        digest.update(np.ascontiguousarray(array).tobytes())
                for key, value in zip(
                    index,
                    (sample.name, sample.subject, part, sample.volume, sample.position),
                    strict=True,
                ):
                    index[key].append(value)
                digest.update(f"{sample.name}\0{sample.subject}\0".encode())
                guard.raise_error()
            _check_index(index, counts, subjects, system)
            for key, values in index.items():
                file["index/" + key] = values
            file.attrs["format"] = _FORMAT
            file.attrs["system"] = system
            file.attrs["classes"] = json.dumps(classes)
            file.attrs["source_sha256"] = digest.hexdigest()
            file.close()  # flushes; what fails there is told here
            guard.raise_error()

    write_atomically(path, write)
    return counts


def _part(sample: Sample, split: SplitConfig) -> str:
    if sample.label is None:
        return "context"
    if sample.split is not None:
        return sample.split
    if sample.subject in split.test:
        return "test"
    if sample.subject in split.validation:
        return "validation"
    drawn = int.from_bytes(hashlib.sha256(sample.subject.encode()).digest()[:4], "big") / 2**32
    return "validation" if drawn < split.validation_fraction else "train"


def _write(group: h5py.Group, name: str, array: np.ndarray) -> None:
    if array.ndim == 0:
        group[name] = array
        return
    # Whole images are read at once; lzf costs little and labels shrink to almost nothing.
    group.create_dataset(name, data=array, chunks=array.shape, compression="lzf")


def _check_index(
    index: dict[str, list[Any]], counts: dict[str, int], subjects: dict[str, set[str]], system: str
) -> None:
    if not index["name"]:
        raise ValueError(f"{system}: the data set is empty")
    seen: set[str] = set()
    for name in index["name"]:
        if name in seen:
            raise ValueError(f"{system}: two samples are called {name!r}")
        seen.add(name)
    for subject, parts in subjects.items():
        if len(parts) > 1:
            raise ValueError(f"{system}: subject {subject!r} is in {sorted(parts)} at once")
    if counts["train"] and not counts["validation"]:
        raise ValueError(f"{system}: no subject of [split] validation is in the data set")


class Store:
    """A packed data set, read image by image.

    Parameters
    ----------
    path : Path
    system : str
        The system it must be of.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, or not a packed data set of this system.
    """

    def __init__(self, path: Path, system: str) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such packed data set; python -m train.prepare {system}"
            )
        try:
            with h5py.File(path) as file:
                attributes = dict(file.attrs)
                index = {k: file["index/" + k][()] for k in file["index"]}
        except (OSError, KeyError) as error:
            raise ValueError(f"{path}: not a packed data set ({error})") from error
        if attributes.get("format") != _FORMAT:
            raise ValueError(
                f"{path}: format {attributes.get('format')}, this code reads {_FORMAT}"
            )
        if attributes["system"] != system:
            raise ValueError(f"{path}: data of {attributes['system']!r}, expected {system!r}")
        self.path = path
        self.system = system
        self.classes: tuple[str, ...] = tuple(json.loads(attributes["classes"]))
        self.source_sha256 = str(attributes["source_sha256"])
        text = {k: [v.decode() for v in index[k]] for k in ("name", "subject", "split", "volume")}
        self.names, self.subjects, self.volumes = text["name"], text["subject"], text["volume"]
        self._splits = text["split"]
        self._positions = [int(p) for p in index["position"]]
        self._at = {
            (v, p): i
            for i, (v, p) in enumerate(zip(self.volumes, self._positions, strict=True))
            if v
        }
        self._file: h5py.File | None = None

    def part(self, name: str) -> list[int]:
        """Numbers of the samples of one part of the split."""
        if name not in SPLITS:
            raise ValueError(f"part must be one of {SPLITS}, got {name!r}")
        return [i for i, s in enumerate(self._splits) if s == name]

    def subjects_of(self, part: str) -> list[str]:
        """Sorted names of the subjects in one part."""
        return sorted({self.subjects[i] for i in self.part(part)})

    def array(self, number: int, name: str) -> np.ndarray | None:
        """Array of a sample: "image", "label", "region" or "second"; None if it has none."""
        if self._file is None:  # opened late, so that worker processes open their own
            self._file = h5py.File(self.path)
        group = self._file[f"samples/{number:06d}"]
        return np.asarray(group[name]) if name in group else None

    def image(self, number: int, adjacent: int = 1) -> np.ndarray:
        """Image as (H, W) or (H, W, C), or with neighbours in its volume as channels.

        A neighbour that is not there is replaced by the image itself.
        """
        image = self.array(number, "image")
        assert image is not None
        if adjacent == 1:
            return image
        if image.ndim != 2 or not self.volumes[number]:
            raise ValueError(f"{self.names[number]}: adjacent slices need a volume of grey images")
        channels = []
        for offset in range(-(adjacent // 2), adjacent // 2 + 1):
            other = self._at.get((self.volumes[number], self._positions[number] + offset))
            neighbour = None if other is None else self.array(other, "image")
            channels.append(image if neighbour is None else neighbour)
        return np.stack(channels, axis=2)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}
