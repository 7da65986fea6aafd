"""Bad input gets one clear message with the value and the rule, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import pyengine
from pyengine import _core
from pyengine.phantoms import synthetic_em
from pyengine.shipped import resolve


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (np.zeros((0, 5), np.uint8), ValueError, ["at least 1 x 1", "(0, 5)"]),
        (np.zeros((5, 0), np.uint8), ValueError, ["(5, 0)"]),
        (np.zeros((4, 4), object), TypeError, ["object", "uint8, uint16 or float32"]),
        (np.zeros((4, 4), np.float64), TypeError, ["float64", "astype"]),
        (np.zeros((4, 4), np.int16), TypeError, ["int16"]),
        (np.zeros((4, 4), bool), TypeError, ["bool"]),
        (np.zeros((4, 4), ">u2"), TypeError, ["byte order"]),
        (np.zeros((4, 4), complex), TypeError, ["complex128"]),
        ([[1, 2]], TypeError, ["list"]),
        (None, TypeError, ["NoneType"]),
        (np.zeros((4,), np.uint8), ValueError, ["(4,)", "(H, W)"]),
        (np.zeros((1, 1, 4, 4), np.uint8), ValueError, ["(1, 1, 4, 4)"]),
        (np.zeros((4, 4, 3), np.uint8), ValueError, ["3 channel", "needs 1"]),
    ],
)
def test_bad_images(membranes, image, error, words) -> None:
    with pytest.raises(error) as caught:
        membranes.segment(image)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_pixels_are_reported_not_spread(membranes, value) -> None:
    image = np.zeros((40, 50), np.float32)
    image[7, 9] = image[30, 2] = value
    with pytest.raises(ValueError, match=r"2 NaN or infinite values, the first at row 7, column 9"):
        membranes.segment(image)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 0}, ["tile", "0"]),
        ({"tile": (3,)}, ["tile"]),
        ({"tile": -5}, ["-5"]),
        ({"batch_size": 0}, ["batch_size", "0"]),
        ({"max_memory": 1000}, ["max_memory 1000", "needs"]),
        ({"output": "mask"}, ["'mask'", "labels, probabilities, logits"]),
        ({"mode": "fast"}, ["'fast'", "gaussian"]),
        ({"padding_mode": "wrap"}, ["'wrap'", "reflect"]),
        ({"mode": "gaussian", "overlap": 600, "tile": 500}, ["overlap 600", "500 px"]),
        ({"mode": "gaussian", "overlap": -1}, ["overlap"]),
        ({"mode": "gaussian", "overlap": float("nan")}, ["overlap"]),
        ({"tile": 3.5}, ["tile", "3.5"]),
        ({"tile": True}, ["tile", "True"]),
        ({"max_memory": 10**30}, ["max_memory", str(10**30)]),
        ({"batch_size": 10**12}, ["batch_size", "2147483647"]),
    ],
)
def test_bad_options(membranes, options, words) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        membranes.segment(np.zeros((600, 600), np.uint8), **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 2.5}, ["batch_size", "whole number", "2.5"]),
        ({"max_memory": "1G"}, ["max_memory", "whole number", "'1G'"]),
        ({"overlap": "half"}, ["overlap", "number", "'half'"]),
        ({"one_thread": "yes"}, ["one_thread", "True or False", "'yes'"]),
    ],
)
def test_options_of_the_wrong_type(membranes, options, words) -> None:
    with pytest.raises(TypeError) as caught:
        membranes.segment(np.zeros((600, 600), np.uint8), **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ({"device": "gpu"}, ValueError, "'gpu'"),
        (
            {"device": "cuda:9999"},
            pyengine.UnsupportedError,
            "cuda:9999: (no NVIDIA driver|the NVIDIA|this machine has)",
        ),
        ({"on_mismatch": "ignore"}, ValueError, "on_mismatch must be one of"),
        ({"device": "cuda", "executor": "cpu"}, ValueError, "runs on the CPU"),
        ({"executor": "tensorrt"}, ValueError, "tensorrt"),
        ({"threads": 0}, ValueError, "threads"),
        ({"threads": 100000}, ValueError, "from 1 to 1024, got 100000"),
        ({"threads": 10**12}, ValueError, "from 1 to 1024, got 1000000000000"),
        ({"threads": "2"}, TypeError, "threads must be a whole number, got '2'"),
        ({"pin_threads": 2}, TypeError, "pin_threads must be True or False, got 2"),
        ({"device": 0}, TypeError, "device must be a word such as 'cpu'.*, got 0"),
    ],
)
def test_bad_engine_arguments(arguments, error, word) -> None:
    with pytest.raises(error, match=word):
        pyengine.Engine("em-membranes", **arguments)


def test_unknown_and_impossible_instruction_sets(monkeypatch) -> None:
    monkeypatch.setenv("PYENGINE_ISA", "mmx")
    with pytest.raises(ValueError, match="mmx.*avx2"):
        pyengine.Engine("em-membranes")


@pytest.mark.skipif("amx" not in _core.isas(fast=True), reason="no AMX on this machine")
def test_no_tile_registers_from_the_system_no_amx() -> None:
    """Linux refuses them where an alternate signal stack has no room for them."""
    program = """
import ctypes, pyengine
class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
memory = ctypes.create_string_buffer(8192)
stack = Stack(ctypes.addressof(memory), 0, 8192)
assert ctypes.CDLL(None, use_errno=True).sigaltstack(ctypes.byref(stack), None) == 0
print(pyengine.Engine("em-membranes", accuracy="fast").info.isa)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("avx512", 0), done.stderr


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (17, 16)])
def test_tiny_images_and_strips_work(membranes, size) -> None:
    image = np.full(size, 120, np.uint8)
    assert membranes.segment(image).shape == size
    assert membranes.segment(image, output="probabilities").shape == (2, *size)


def test_read_only_negative_strides_and_input_untouched(membranes) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 50), np.uint8)
    want = membranes.segment(np.ascontiguousarray(image[::-1, ::-1]))
    before = image.copy()
    image.flags.writeable = False
    np.testing.assert_array_equal(membranes.segment(image[::-1, ::-1]), want)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (np.zeros((1, 1, 200, 200)), TypeError),
        (np.zeros((200, 200), np.float32), ValueError),
        (np.zeros((1, 2, 200, 200), np.float32), ValueError),
        (np.zeros((0, 1, 200, 200), np.float32), ValueError),
        (np.zeros((1, 1, 20, 20), np.float32), ValueError),
        (np.zeros((1, 1, 201, 200), np.float32), ValueError),
        ("x", TypeError),
    ],
)
def test_bad_batches(membranes, batch, error) -> None:
    with pytest.raises(error):
        membranes.run(batch)


def test_classify_needs_a_classifier(membranes) -> None:
    with pytest.raises(pyengine.UnsupportedError, match="segmentation"):
        membranes.classify(np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize("returns", [None, "text", np.zeros((1, 2, 3, 4)), np.zeros(3)])
def test_a_callable_that_returns_nonsense(membranes, returns) -> None:
    engine = pyengine.Engine("em-membranes", executor=lambda batch: returns)
    with pytest.raises((ValueError, TypeError)):
        engine.segment(np.zeros((30, 30), np.uint8))


def test_an_exception_in_a_callable_reaches_the_caller(membranes) -> None:
    def broken(batch):
        raise KeyError("weights")

    engine = pyengine.Engine("em-membranes", executor=broken)
    with pytest.raises(KeyError, match="weights"):
        engine.segment(np.zeros((30, 30), np.uint8))
    with pytest.raises(ZeroDivisionError):
        membranes.segment(np.zeros((30, 30), np.uint8), progress=lambda done, total: 1 / 0)


# ---- building ---------------------------------------------------------------------------------


def test_build_refuses_and_writes_nothing(tmp_path: Path) -> None:
    net = nn.Conv2d(1, 2, 3)
    cases = [
        (dict(source=net), "sample_shape"),
        (dict(source=net, sample_shape=(1, 1, 0, 8)), "sample_shape"),
        (dict(source=net, sample_shape=(2, 1, 8, 8)), "sample_shape"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), classes=["one"]), "2 classes"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), activation="relu"), "activation"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), weights="int8"), "weights"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), task="detection"), "task"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), colors=[(0, 0, 0), (1, 2, 999)]), "colors"),
        (dict(source=net, sample_shape=(1, 1, 8, 8), preprocessing=[{"name": "?"}]), "preproc"),
        (dict(source=42, sample_shape=(1, 1, 8, 8)), "torch.nn.Module"),
        (dict(source=net, sample_shape=32), r"sample_shape must be .*, got 32"),
        (dict(source="em-membranes.pyengine", sample_shape=(1, 1, 8, 8)), "no such file"),
        (dict(source=resolve("em-membranes")), "an engine file, where its source network"),
        *(
            (dict(source=net, sample_shape=(1, 1, 8, 8), **wrong), words)
            for wrong, words in [
                (dict(input_dtype="int8"), "input_dtype must be 'uint8' or"),
                (dict(classes="ab"), "classes must be a list of names, got 'ab'"),
                (dict(classes=["a", 1]), "classes must be a list of names"),
                (dict(classes=["a", "a"]), "classes must have different names"),
                (dict(classes=["a", ""]), "none empty"),
                (dict(colors=[(0, 0, 0), (1, 2)]), "colors must be"),
                (dict(colors=[(0, 0, 0), (1, 2, 2.5)]), "colors must be"),
                (dict(colors=7), "colors must be"),
                (dict(label_rule="argmax"), "label_rule must be 'highest' or 'regions'"),
                (dict(label_rule="regions"), "'regions' is for a segmentation of several sigmoids"),
                (dict(executor="tensorrt"), "executor must be 'auto' or 'cpu' or 'onnxruntime'"),
                (dict(executor="cpu", halo=3), "the CPU engine derives them"),
                (dict(halo=-1), "halo must be >= 1"),
                (dict(output_name=3), "output_name must be a name or several"),
                (dict(output_name="dist"), r"Conv2d: the network has 1 outputs: 'output' \(1, 2, 6"),
                (dict(preprocessing={"name": "scale_linear"}), "preprocessing must be a list"),
                (dict(preprocessing=[{"name": "?"}]), r"x\.pyengine: not written.*unknown prepr"),
                (dict(tolerance=-1), "tolerance must be a finite number >= 0, got -1"),
                (dict(tolerance=float("nan")), "tolerance must be .* got nan"),
                (dict(tolerance="1"), "tolerance must be a number"),
                (dict(samples=[np.zeros((1, 1, 8, 8))]), r"samples\[0\] must be a float32 array"),
                (dict(samples=[np.zeros((1, 2, 8, 8), np.float32)]), r"samples\[0\] must have"),
            ]
        ),
    ]  # fmt: skip
    for arguments, word in cases:
        source = arguments.pop("source")
        with pytest.raises((ValueError, TypeError, FileNotFoundError), match=word) as caught:
            pyengine.build(source, tmp_path / "x.pyengine", **arguments)
        assert "unfinished" not in str(caught.value)  # the temporary file's name
        assert list(tmp_path.iterdir()) == [], arguments
    one = nn.Conv2d(1, 1, 3)
    with pytest.raises(ValueError, match="'softmax' needs several outputs"):
        pyengine.build(one, tmp_path / "x.pyengine", (1, 1, 8, 8), activation="softmax")
    with pytest.raises(ValueError, match="an engine file, where its source network"):
        pyengine.verify("em-membranes", resolve("em-membranes"))
    for wrong in (dict(tolerance=-1), dict(sample_shape=32)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            pyengine.verify("em-membranes", one, **wrong)
    with pytest.raises(ValueError, match="tolerance must be"):
        pyengine.build_plan("em-membranes", tmp_path / "x.pyengine", tolerance=-1)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        pyengine.build(net, tmp_path / "no" / "x.pyengine", sample_shape=(1, 1, 8, 8))
    with pytest.raises(FileNotFoundError, match="absent"):
        pyengine.build(tmp_path / "absent.onnx", tmp_path / "x.pyengine")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not onnx")
    with pytest.raises(ValueError, match=r"bad\.onnx"):
        pyengine.build(bad, tmp_path / "x.pyengine")


def test_build_refuses_weights_that_are_not_numbers(tmp_path: Path) -> None:
    net = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        net.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        pyengine.build(net, tmp_path / "x.pyengine", sample_shape=(1, 1, 8, 8))
    assert list(tmp_path.iterdir()) == []


def test_parity_beyond_tolerance_is_not_written(tmp_path: Path) -> None:
    """A network whose output depends on chance cannot agree with its engine."""

    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.calls = 0

        def forward(self, x):
            self.calls += 0 if torch.jit.is_tracing() else 1
            return self.conv(x) + float(self.calls > 0)

    target = tmp_path / "x.pyengine"
    pyengine.build(nn.Conv2d(1, 2, 3), target, sample_shape=(1, 1, 8, 8))
    before = target.read_bytes()
    with pytest.raises(ValueError, match="not written"):
        pyengine.build(Noisy(), target, sample_shape=(1, 1, 8, 8))
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_batch_norm_mode_of_the_module_is_left_as_it_was(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    net.train()
    net[0].eval()
    pyengine.build(net, tmp_path / "x.pyengine", sample_shape=(1, 1, 8, 8))
    assert net.training
    assert net[1].training
    assert not net[0].training
    assert net[1].num_batches_tracked == 0


# ---- disks ------------------------------------------------------------------------------------


def test_unwritable_folder(membranes, tmp_path: Path) -> None:
    image = tmp_path / "a.npy"
    np.save(image, np.zeros((20, 20), np.uint8))
    with pytest.raises(OSError, match="no such folder"):
        membranes.segment_file(image, tmp_path / "absent" / "out.npy")
    if os.geteuid() != 0:  # root may write anywhere
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
        with pytest.raises(PermissionError):
            membranes.segment_file(image, folder / "out.npy")


@pytest.mark.parametrize("name", ["out.tif", "out.npy", "out.h5", "out.png"])
def test_full_disk_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands in for a full disk: the write fails half-way."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "in.npy", rng.integers(0, 256, (300, 300), np.uint8))
    folder = tmp_path / "out"
    folder.mkdir()
    script = f"""
import resource, signal
import pyengine
from pyengine.phantoms import synthetic_em
engine = pyengine.Engine("em-membranes", threads=1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    engine.segment_file({str(tmp_path / "in.npy")!r}, {str(folder / name)!r})
except (OSError, ValueError, RuntimeError) as error:
    print(type(error).__name__, error)
else:
    raise SystemExit("no error")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert list(folder.iterdir()) == []


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """A tmpfs with these options, mounted at a new folder; skips where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["out.tif", "out.npy", "out.h5", "out.png"])
def test_full_tmpfs_leaves_nothing_behind(membranes, tmp_path: Path, name: str) -> None:
    """A real full disk: writes into a mapped sparse file would kill the process here."""
    np.save(tmp_path / "in.npy", synthetic_em(1400, 300))
    folder = tmp_path / "disk"
    with small_disk(folder, "size=64k"):
        (folder / "filler").write_bytes(bytes(60 << 10))
        with pytest.raises(OSError, match=r"(?i)space|disk|write"):
            membranes.segment_file(tmp_path / "in.npy", folder / name)
        assert [p.name for p in folder.iterdir()] == ["filler"]


def test_full_tmpfs_leaves_an_hdf5_file_as_it_was(membranes, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", synthetic_em(300, 300))
    folder = tmp_path / "disk"
    for room_kb in (0, 20, 90):  # for nothing, for the copy, for the copy and half the result
        with small_disk(folder, "size=400k"):
            with h5py.File(folder / "e.h5", "w") as file:
                file["raw"] = np.arange(10000, dtype=np.uint8)
            before = (folder / "e.h5").read_bytes()
            taken = (400 << 10) - (-(-len(before) // 4096) * 4096) - (room_kb << 10)
            (folder / "filler").write_bytes(bytes(taken))
            with pytest.raises(OSError, match=r"(?i)space|disk|write"):
                membranes.segment_file(tmp_path / "in.npy", f"{folder}/e.h5:/labels")
            assert (folder / "e.h5").read_bytes() == before
            assert sorted(p.name for p in folder.iterdir()) == ["e.h5", "filler"]
        folder.rmdir()


def test_read_only_disk_is_an_error(membranes, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((20, 20), np.uint8))
    with small_disk(tmp_path / "disk", "ro,size=64k"):
        with pytest.raises(OSError, match="Read-only"):
            membranes.segment_file(tmp_path / "in.npy", tmp_path / "disk" / "out.npy")
        with pytest.raises(OSError, match="Read-only"):
            pyengine.build(
                nn.Conv2d(1, 2, 3), tmp_path / "disk" / "x.pyengine", sample_shape=(1, 1, 8, 8)
            )


def test_out_of_memory_is_an_error_and_the_engine_survives() -> None:
    script = """
import resource, numpy as np, pyengine
engine = pyengine.Engine("em-membranes", threads=1)
small = np.full((64, 64), 99, np.uint8)
want = engine.segment(small)
big = np.zeros((2048, 2048), np.uint8)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
try:
    engine.segment(big)
except MemoryError as error:
    print("MemoryError")
assert (engine.segment(small) == want).all()
"""
    if resource.getrlimit(resource.RLIMIT_AS)[1] != resource.RLIM_INFINITY:
        pytest.skip("the address space is limited here already")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "MemoryError", done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
