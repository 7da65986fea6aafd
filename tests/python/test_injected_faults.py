"""Reading, writing, flushing and renaming fail, each call once: a named error, and nothing is lost.

The library `tests/faults/interpose.c` is loaded before Python, and makes the n-th call fail, for
every n until a run passes. tests/faults/injection_test.cc does so for memory and threads.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"),
    reason="needs a C compiler and glibc for the interposed library",
)
FAULTS = ROOT / "tests" / "faults"
TINY = ROOT / "tests" / "data" / "tiny.pyengine"

# Fails every call of `kind` once while `attempt()` runs. What is at `target` must be what it was
# before, or the whole result; no other file may appear.
_LOOP = """
import ctypes, errno, json, os, sys
from pathlib import Path
import numpy as np
import pyengine
faults = ctypes.CDLL(None)
engine = pyengine.Engine({tiny!r}, threads=1)
image, folder = {image!r}, Path({folder!r})
target = folder / {target!r}

def attempt():
    {attempt}

def content(path):
    if path.suffix != ".pyengine" or path.read_bytes() == b"what was there":
        return path.read_bytes()
    return pyengine.Engine(path).info.parameters  # the file says when it was built

def state():
    return {{p.name: content(p) for p in folder.rglob("*") if p.is_file()}}

def held():
    return len(os.listdir("/proc/self/fd"))

def restore():
    for p in folder.iterdir():
        p.unlink()
    for name, before in old.items():
        (folder / name).write_bytes(before)

old = state()
attempt()  # imports what it needs
whole = state()
assert whole != old
open_files = held()
struck = refused = 0
for n in range(1, 5000):
    restore()
    faults.fault_arm(b{kind!r}, n, {error})
    try:
        attempt()
        raised = None
    except {allowed} as error:
        raised = str(error)  # the traceback would keep what is open
    faults.fault_arm(b"", 0, 0)
    if not faults.fault_struck():
        assert raised is None, raised
        break
    struck += 1
    refused += raised is not None
    now = state()
    if raised is None:
        assert now == whole, (n, "half a result without an error")
    else:
        assert target.name in raised or image in raised, raised
        assert now in (old, whole), (n, raised, sorted(now))
    assert held() <= open_files, (n, raised)
else:
    raise SystemExit("never ends")
restore()
attempt()
assert state() == whole
print(json.dumps([struck, refused]))
"""


@pytest.fixture(scope="session")
def interposed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("faults") / "interpose.so"
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, "-O1", "-shared", "-fPIC", FAULTS / "interpose.c", "-o", library, "-ldl"],
        check=True,
    )
    return library


def fail_each(
    interposed: Path,
    folder: Path,
    kind: str,
    target: str,
    attempt: str,
    allowed: str = "(OSError, ValueError, RuntimeError, MemoryError)",
    error: int = 0,
) -> tuple[int, int]:
    """Calls that were failed, and runs of them that said so."""
    image = folder.parent / "in.npy"
    np.save(image, np.random.default_rng(0).integers(0, 256, (60, 50), np.uint8))
    code = _LOOP.format(
        tiny=str(TINY), image=str(image), folder=str(folder), target=target, attempt=attempt,
        kind=kind, allowed=allowed, error=error,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False,
        env=os.environ | {"LD_PRELOAD": str(interposed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    struck, refused = json.loads(done.stdout)
    return struck, refused


@pytest.mark.parametrize("kind", ["write", "fsync", "rename"])
@pytest.mark.parametrize("target", ["out.npy", "out.tif", "out.png", "out.h5"])
def test_results_are_whole_or_what_was_there(
    interposed: Path, tmp_path: Path, kind: str, target: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    if not target.endswith(".h5"):  # to that a name would be added: see below
        (folder / target).write_bytes(b"what was there")
    attempt = "engine.segment_file(image, target)"
    struck, refused = fail_each(interposed, folder, kind, target, attempt)
    assert 1 <= refused <= struck


@pytest.mark.parametrize("kind", ["read", "write", "fsync", "rename"])
def test_an_hdf5_file_keeps_what_it_holds(interposed: Path, tmp_path: Path, kind: str) -> None:
    h5py = pytest.importorskip("h5py")
    folder = tmp_path / "out"
    folder.mkdir()
    with h5py.File(folder / "e.h5", "w") as file:
        file["raw"] = np.arange(5000)
    attempt = 'engine.segment_file(image, f"{target}:/labels")'
    struck, refused = fail_each(interposed, folder, kind, "e.h5", attempt)
    assert 1 <= refused <= struck


@pytest.mark.parametrize("kind", ["write", "fsync", "rename"])
def test_engines_are_whole_or_what_was_there(interposed: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("onnx")
    folder = tmp_path / "out"
    folder.mkdir()
    attempt = (
        "pyengine.build(model, target, (1, 1, 16, 16), provenance={})\n\n"
        "import onnx\n"
        "from onnx import TensorProto as T, helper as h\n"
        "w = h.make_tensor('w', T.FLOAT, [2, 1, 1, 1], [1.0, -1.0])\n"
        "model = h.make_model(h.make_graph([h.make_node('Conv', ['x', 'w'], ['y'])], 'g',\n"
        "    [h.make_tensor_value_info('x', T.FLOAT, [1, 1, 16, 16])],\n"
        "    [h.make_tensor_value_info('y', T.FLOAT, [1, 2, 16, 16])], [w]),\n"
        "    opset_imports=[h.make_opsetid('', 17)])\n"
    )
    struck, refused = fail_each(interposed, folder, kind, "x.pyengine", attempt)
    assert 1 <= refused <= struck


def test_a_disk_that_is_full_at_any_moment(interposed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    attempt = "engine.segment_file(image, target)"
    for target in ("out.npy", "out.tif"):
        struck, refused = fail_each(interposed, folder, "write", target, attempt, error=28)
        assert struck == refused >= 1


def test_an_image_that_cannot_be_read_costs_one_error(interposed: Path, tmp_path: Path) -> None:
    """EIO at every read of an image, of each format: the error names the file."""
    folder = tmp_path / "out"
    folder.mkdir()
    attempt = "engine.segment_file(image, target)"
    struck, refused = fail_each(
        interposed, folder, "read", "out.npy", attempt, "(OSError, ValueError)"
    )
    assert 1 <= refused <= struck


def test_no_more_files_may_be_open(tmp_path: Path) -> None:
    """Every number of free file descriptors, from none on: an error or a result, never a loss."""
    np.save(tmp_path / "in.npy", np.zeros((40, 30), np.uint8))
    folder = tmp_path / "out"
    folder.mkdir()
    code = f"""
import os, resource
from pathlib import Path
import pyengine
engine = pyengine.Engine({str(TINY)!r}, threads=1)
folder = Path({str(folder)!r})
used = len(os.listdir("/proc/self/fd"))
image, target = {str(tmp_path / "in.npy")!r}, folder / "out.npy"
engine.segment_file(image, target)
whole = target.read_bytes()
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
failed = 0
for free in range(12):
    target.write_bytes(b"old")
    resource.setrlimit(resource.RLIMIT_NOFILE, (used - 1 + free, hard))
    try:
        engine.segment_file(image, target)
        pyengine.Engine({str(TINY)!r}, threads=1)
        raised = None
    except OSError as error:
        raised, failed = error, failed + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert [p.name for p in folder.iterdir()] == ["out.npy"], raised
    assert target.read_bytes() in ((whole,) if raised is None else (b"old", whole))
print(failed)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout) < 12


def test_little_address_space_is_a_memory_error(tmp_path: Path) -> None:
    """Every limit from what is used up to what is enough: MemoryError, and the engine works on."""
    code = f"""
import resource
import numpy as np, pyengine
engine = pyengine.Engine({str(TINY)!r}, threads=2)
image = np.zeros((1500, 1400), np.uint8)
small = np.full((64, 64), 99, np.uint8)
want = engine.segment(small)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
failed = 0
for more_mb in range(0, 80, 4):
    resource.setrlimit(resource.RLIMIT_AS, (used + (more_mb << 20), resource.RLIM_INFINITY))
    try:
        engine.segment(image, output="probabilities")
    except MemoryError:
        failed += 1
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert (engine.segment(small) == want).all()
print(failed)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1, resource.getpagesize()
