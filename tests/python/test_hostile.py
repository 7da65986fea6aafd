"""Files made to harm: nothing in them runs, nothing else is written, absurd sizes are refused at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT

import pyengine
from pyengine.formats.registry import read_image

TINY = ROOT / "tests" / "data" / "tiny.pyengine"

# What an audit hook must never see while a file is read.
_AUDIT = """
import json, sys
import numpy as np
import pyengine
from pyengine.formats.registry import read_image
engine = pyengine.Engine({tiny!r})
{warm}
seen = []
def hook(event, args):
    if event == "pickle.find_class" or event == "os.system" or event == "subprocess.Popen":
        seen.append([event, repr(args)])
    if event in ("exec", "compile") and not imports(args):
        seen.append([event, repr(args)[:200]])
def imports(args):
    # Modules that a library imports late, functions that the standard library makes of text, and
    # literals, by which NumPy reads a header: ast parses and runs nothing.
    frame = sys._getframe(1)
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_filename)
        frame = frame.f_back
    return any("importlib" in n or n.endswith(("dataclasses.py", "collections/__init__.py", "/ast.py"))
               for n in names)
sys.addaudithook(hook)
for path in sys.argv[1:]:
    try:
        {read}
    except Exception as error:
        print(type(error).__name__, file=sys.stderr)
print(json.dumps(seen))
"""


def watched(read: str, paths: list[Path], warm: str = "") -> list[list[str]]:
    code = _AUDIT.format(tiny=str(TINY), read=read, warm=warm)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Evil:
    """Unpickling it would run a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def images(folder: Path) -> list[Path]:
    """An image of each format that can be written here, and pickles under their names."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    np.save(folder / "a.npy", pixels)
    engine = pyengine.Engine(TINY)
    for name in ("a.png", "a.tif", "a.h5"):
        engine.segment_file(folder / "a.npy", folder / name)
    touched = folder / "touched"
    np.save(folder / "evil.npy", np.array([Evil(touched)], object), allow_pickle=True)
    np.savez(folder / "evil.npz", a=np.array([Evil(touched)], object))
    return sorted(
        p for p in folder.iterdir() if p.suffix in {".npy", ".npz", ".png", ".tif", ".h5"}
    )


def test_reading_images_runs_no_code_of_theirs(tmp_path: Path) -> None:
    # Libraries that are loaded late run code of their own: each has read a good file before.
    warm = 'for path in sys.argv[1:]:\n    if "evil" not in path:\n        read_image(path, 3 if path.endswith(("png", "tif")) else 1)'
    assert watched("read_image(path, 1)", images(tmp_path), warm) == []
    assert not (tmp_path / "touched").exists()


def test_opening_networks_runs_no_code_of_theirs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    touched = tmp_path / "touched"
    torch.save({"model": Evil(touched)}, tmp_path / "evil.pt")
    torch.save({"state_dict": Evil(touched)}, tmp_path / "evil.ckpt")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as package:
        package.writestr("rdf.yaml", "!!python/object/apply:os.system ['touch " + f"{touched}']")
    for path in sorted(tmp_path.glob("evil.*")):
        with pytest.raises((ValueError, OSError, ImportError, TypeError)):
            pyengine.build(path, tmp_path / "x.pyengine", (1, 1, 16, 16))
    assert not touched.exists()
    assert not (tmp_path / "x.pyengine").exists()


@pytest.mark.parametrize(
    "name", ["../escaped.txt", "/tmp/pyengine-escaped.txt", "a/../../escaped.txt"]
)
def test_archives_write_nothing_outside(tmp_path: Path, name: str) -> None:
    """A package of bioimage.io, and an archive of arrays, whose entries climb out."""
    folder = tmp_path / "inner"
    folder.mkdir()
    for target in ("package.zip", "arrays.npz"):
        with zipfile.ZipFile(folder / target, "w") as archive:
            archive.writestr("rdf.yaml", "type: model\nformat_version: 0.5.3\n")
            archive.writestr(name, "escaped")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((ValueError, OSError, ImportError)):
        pyengine.build(folder / "package.zip", folder / "x.pyengine", (1, 1, 16, 16))
    with pytest.raises((ValueError, OSError)):
        read_image(str(folder / "arrays.npz"), 1)
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/pyengine-escaped.txt").exists()


def test_a_result_never_goes_through_a_link(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((20, 20), np.uint8))
    precious = tmp_path / "precious.npy"
    precious.write_bytes(b"precious")
    (tmp_path / "out.npy").symlink_to(precious)
    pyengine.Engine(TINY).segment_file(tmp_path / "in.npy", tmp_path / "out.npy")
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "out.npy").is_symlink()


def test_links_of_hdf5_into_other_files_are_not_written_through(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((20, 20), np.uint8))
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file.create_group("g")
    before = (tmp_path / "theirs.h5").read_bytes()
    with h5py.File(tmp_path / "ours.h5", "w") as file:
        file["group"] = h5py.ExternalLink("theirs.h5", "/g")
    with pytest.raises(OSError, match="link"):
        pyengine.Engine(TINY).segment_file(
            tmp_path / "in.npy", f"{tmp_path / 'ours.h5'}:/group/labels"
        )
    assert (tmp_path / "theirs.h5").read_bytes() == before


# ---- sizes ---------------------------------------------------------------------------------------


def refused_within(seconds: float, call, error, words: str) -> None:
    begin = time.monotonic()
    with pytest.raises(error, match=words):
        call()
    assert time.monotonic() - begin < seconds


def test_absurd_sizes_are_refused_at_once(tmp_path: Path) -> None:
    engine = pyengine.Engine(TINY)
    # Counted: seconds would be minutes of a loop over tiles, here with room for busy machines.
    for size in ((10**12, 10), (10, 10**12), (10**9, 10**9), (2**62, 2)):
        refused_within(5, lambda size=size: engine.plan(*size), ValueError, r"\d")
    for size in ((2**40, 8), (2**30, 2**30)):
        refused_within(5, lambda size=size: engine.profile(*size, 1), ValueError, r"\d")
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("x", (2**27, 2**27), np.uint8, chunks=(64, 64))
    assert (tmp_path / "huge.h5").stat().st_size < 10_000
    refused_within(
        10,
        lambda: engine.segment_file(tmp_path / "huge.h5", tmp_path / "out.npy"),
        (ValueError, OSError, MemoryError),
        r"\w",
    )
    assert not (tmp_path / "out.npy").exists()


def test_a_node_that_feeds_itself_is_refused_at_once(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    h, t = onnx.helper, onnx.TensorProto
    for nodes in (
        [h.make_node("Relu", ["y"], ["y"])],
        [h.make_node("Relu", ["x"], ["x"]), h.make_node("Relu", ["x"], ["y"])],
        [h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"]),
         h.make_node("Relu", ["b"], ["y"])],
    ):  # fmt: skip
        graph = h.make_graph(
            nodes, "g", [h.make_tensor_value_info("x", t.FLOAT, [1, 1, 16, 16])],
            [h.make_tensor_value_info("y", t.FLOAT, [1, 1, 16, 16])],
        )  # fmt: skip
        path = tmp_path / "loop.onnx"
        path.write_bytes(
            h.make_model(graph, opset_imports=[h.make_opsetid("", 17)]).SerializeToString()
        )
        refused_within(
            20, lambda path=path: pyengine.build(path, tmp_path / "x.pyengine"), ValueError, r"\w"
        )
    assert not (tmp_path / "x.pyengine").exists()
