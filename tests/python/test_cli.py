"""The command line as a user meets it."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import torch
from conftest import random_image
from PIL import Image
from torch import nn

import pyengine
from pyengine import _core
from pyengine.cli import DEMOS, main
from pyengine.cli.parser import make_parser
from pyengine.made_files import NOTES
from train import __main__ as train


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.tif", "sub/c.png"):
        image = rng.integers(0, 256, (40, 50), np.uint8)
        if name.endswith("tif"):
            tifffile.imwrite(folder / name, image)
        else:
            Image.fromarray(image).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_helps_are_sentences(capsys) -> None:
    for main_, arguments, words in (
        (main, ["info"], "layer table, FLOPs and receptive"),
        (main, ["build"], "Build an engine from a trained network"),
        (train.main, ["results"], "Renew the table of results, train/RESULTS.md"),
    ):
        with pytest.raises(SystemExit):
            main_([*arguments, "--help"])
        assert words in " ".join(capsys.readouterr().out.split())


def test_every_argument_is_explained() -> None:
    for parser in (make_parser(), train._parser()):
        (verbs,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        for verb, of_verb in verbs.choices.items():
            bare = [a.dest for a in of_verb._actions if not a.help]
            assert not bare, (verb, bare)


def test_segment_a_folder_keeps_names_and_resumes(capsys, images, tmp_path, membranes) -> None:
    out = tmp_path / "out"
    status, text, _ = run(capsys, "segment", "-e", "em-membranes", images, "-o", out, "--overlay")
    assert status == 0
    assert "3 segmented" in text
    names = sorted(str(p.relative_to(out)) for p in out.rglob("[!.]*.*"))
    assert names == [
        "a.overlay.png", "a.png", "b.overlay.png", "b.tif", "sub/c.overlay.png", "sub/c.png",
    ]  # fmt: skip
    want = membranes.segment(np.asarray(Image.open(images / "a.png")))
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a.png")), want)
    (out / "a.png").unlink()
    kept = (out / "b.tif").stat().st_mtime_ns
    status, text, _ = run(capsys, "segment", "-e", "em-membranes", images, "-o", out, "--resume")
    assert status == 0
    assert "1 segmented, 2 skipped" in text
    assert (out / "b.tif").stat().st_mtime_ns == kept


def test_segment_one_file_and_globs(capsys, images, tmp_path) -> None:
    status, _, err = run(
        capsys, "segment", "-e", "em-membranes", "-i", images / "a.png", "-o", tmp_path / "one.tif",
        "--tile", "32x48", "--max-memory", "64M", "--threads", 1,
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert tifffile.imread(tmp_path / "one.tif").shape == (40, 50)
    status, _, _ = run(
        capsys, "segment", "-e", "em-membranes", f"{images}/**/*.png", "-o", tmp_path / "g", "--format", "npy",
        "--output-kind", "probabilities",
    )  # fmt: skip
    assert status == 0
    assert np.load(tmp_path / "g" / "c.npy").shape == (2, 40, 50)


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_a_folder_may_have_the_name_of_what_is_in_it(
    capsys, images, tmp_path, monkeypatch, kind
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run(
        capsys, "segment", "-e", "em-membranes", images / "a.png", "-o", kind, "--output-kind", kind
    )
    assert status == 0, err
    assert [p.stem for p in (tmp_path / kind).glob("[!.]*")] == ["a"]


def test_one_bad_image_does_not_cost_the_batch(capsys, images, tmp_path) -> None:
    (images / "bad.png").write_bytes(b"broken")
    status, text, err = run(capsys, "segment", "-e", "em-membranes", images, "-o", tmp_path / "out")
    assert status == 1
    assert "3 segmented, 0 skipped, 1 failed" in text
    assert "bad.png" in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["segment", "absent.png", "-o", "x.png"], "absent.png"),
        (["segment", "-o", "x.png"], "no input"),
        (["segment", ".", "-o", "x", "--engine", "nothing"], "nothing"),
        (["segment", "x.png"], "--output"),
        (["segment", ".", "-o", "x", "--output", "logits"], "2 times (x, logits)"),
        (["segment", ".", "-o", "logits"], "say --output-kind logits"),
        (["segment", ".", "-o", "x", "--tile", "abc"], "abc"),
        (["segment", ".", "-o", "x", "--max-memory", "many"], "many"),
        (["info", "nothing"], "shipped: em-membranes"),
        (["bench", "--size", "0"], "size"),
        (["build", "absent.onnx", "-o", "x.pyengine"], "absent.onnx"),
        (["build", "em-membranes", "-o", "x.pyengine"], "--executor tensorrt"),
        (["build", "m.PYENGINE", "-o", "x.pyengine"], "an engine already"),
        (["build", "a.onnx", "-o", "x", "--precision", "int8"], "--precision is about plans"),
        (["build", "a.onnx", "-o", "x", "-i", "a.png"], "--input is about plans"),
        (["build", "a.onnx", "-o", "x", "--batch-size", "0"], "--batch-size is about plans"),
        (
            ["build", "em-membranes", "-o", "x", "--executor", "tensorrt", "--classes", "a,b"],
            "--classes is for networks",
        ),
        (["verify", "em-membranes", "a.onnx", "--tolerance", "nan"], "tolerance must be"),
        (["fly"], "fly"),
        ([], "VERB"),
    ],
)
def test_usage_errors_are_status_2_and_one_line(
    capsys, tmp_path, monkeypatch, arguments, word
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("seen.png")
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert word in err.strip().splitlines()[-1]
    assert "Traceback" not in err


def test_info(capsys, membranes) -> None:
    status, text, _ = run(capsys, "info", "em-membranes")
    assert status == 0
    for word in ("halo", "receptive field", "1,940,834", "0 = interior, 1 = membrane", "FLOPs"):
        assert word in text
    status, text, _ = run(capsys, "info", "em-membranes", "--json")
    assert json.loads(text)["task"] == "segmentation"
    status, text, _ = run(capsys, "info")
    assert text.split() == pyengine.engines()


def test_info_tells_where_kernels_for_the_processor_are_missing(capsys, monkeypatch) -> None:
    monkeypatch.delenv("PYENGINE_ISA", raising=False)
    isas = _core.isas()
    assert isas[-3:] == ["portable", "fused", "reference"]
    _, text, _ = run(capsys, "info", "em-membranes")
    assert ("slow" in text) == (isas[0] == "portable")
    monkeypatch.setenv("PYENGINE_ISA", "portable")
    monkeypatch.setattr(_core, "isas", lambda: ["avx2", "portable", "reference"])
    _, text, _ = run(capsys, "info", "em-membranes")
    assert "slow: portable kernels were asked for by PYENGINE_ISA, this processor has avx2" in text
    monkeypatch.setattr(_core, "isas", lambda: ["portable", "reference"])
    _, text, _ = run(capsys, "info", "em-membranes")
    assert "slow: there are no vectorised kernels for this processor" in text


def test_build_verify_classify(capsys, tmp_path, images) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    onnx_path, path = tmp_path / "net.onnx", tmp_path / "net.pyengine"
    torch.onnx.export(net, (torch.zeros(1, 1, 40, 50),), str(onnx_path), dynamo=False)
    status, text, _ = run(
        capsys, "build", onnx_path, "-o", path, "--classes", "x,y,z", "--store-onnx",
        "--preprocessing", '[{"name": "scale_linear", "gain": [0.004], "offset": [-0.5]}]',
    )  # fmt: skip
    assert status == 0
    assert "labels agree on 100" in text
    status, text, _ = run(capsys, "verify", path, onnx_path, "-i", images / "a.png")
    assert (status, text[:4]) == (0, "same")
    status, text, _ = run(capsys, "verify", path, onnx_path, "--tolerance", "0")
    assert (status, text[:9]) == (1, "DIFFERENT")
    status, text, _ = run(capsys, "classify", images / "a.png", "-e", path)
    assert status == 0
    image = np.asarray(Image.open(images / "a.png")).astype(np.float32) * 0.004 - 0.5
    with torch.inference_mode():
        want = torch.softmax(net(torch.from_numpy(image)[None, None]), 1)[0].numpy()
    assert text.split("\t")[1] == "xyz"[want.argmax()]
    assert [float(p.split("=")[1]) for p in text.split("\t")[2].split()] == pytest.approx(
        want.tolist(), abs=1e-4
    )
    engine = pyengine.Engine(path)
    assert engine.classify(np.zeros((11, 90), np.uint8)).probabilities.sum() == pytest.approx(1)
    status, text, _ = run(capsys, "info", path)
    assert "averages over the whole image" in text


def test_checkpoint_builds_and_agrees(capsys, tmp_path) -> None:
    from train.checkpoint import save_checkpoint
    from train.models import UNet, UNetConfig

    torch.manual_seed(0)
    manifest = {
        "task": "segmentation",
        "classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": [1, 2, 3]}],
        "input": {"dtype": "uint8", "preprocessing": []},
        "provenance": {"terms": "none"},
    }
    shape = UNetConfig(base_width=4, depth=2)
    save_checkpoint(tmp_path / "net.pt", UNet(shape), shape, manifest, {"system": "x"})
    status, text, _ = run(capsys, "build", tmp_path / "net.pt", "-o", tmp_path / "net.pyengine")
    assert status == 0, text
    info = pyengine.Engine(tmp_path / "net.pyengine").info
    assert info.classes == ("a", "b")
    assert info.provenance["terms"] == "none"
    status, text, _ = run(capsys, "verify", tmp_path / "net.pyengine", tmp_path / "net.pt")
    assert status == 0


def test_bench_and_demo(capsys, tmp_path) -> None:
    status, text, _ = run(capsys, "bench", "--size", "64x80", "--repeat", 2)
    assert status == 0
    assert "64 x 80 px" in text
    status, text, _ = run(capsys, "bench", "--size", "32", "--repeat", 1, "--layers")
    assert status == 0
    assert "down.0.0/Conv" in text
    assert "direct" in text


@pytest.mark.parametrize("system", pyengine.engines())
def test_demos(capsys, tmp_path, system) -> None:
    """Labels of the synthetic image hold the structure, and not only it."""
    size = ["--size", "300x400"] if system == "em-membranes" else []
    assert system in DEMOS
    status, text, _ = run(capsys, "demo", system, "-o", tmp_path, *size)
    assert status == 0
    assert "(synthetic)" in text
    labels = np.asarray(Image.open(tmp_path / f"{system}-demo-labels.png"))
    if size:
        assert labels.shape == (300, 400)
    assert 0.0005 < labels.mean() < 0.6
    assert Image.open(tmp_path / f"{system}-demo-overlay.png").mode == "RGB"
    assert Image.open(tmp_path / f"{system}-demo-image.png").size == labels.shape[::-1]


def test_the_demo_needs_neither_torch_nor_onnx(tmp_path) -> None:
    script = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from pyengine.cli import main\n"
        f"sys.exit(main(['demo', '-o', {str(tmp_path)!r}, '--size', '64']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["out.npy", "old.h5:/labels"])
def test_a_killed_run_leaves_no_half_file(tmp_path, target) -> None:
    np.save(tmp_path / "in.npy", random_image(np.random.default_rng(0), 4000, 2000))
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["raw"] = np.arange(1000)
    before = snapshot(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "pyengine", "segment", "-e", "em-membranes", str(tmp_path / "in.npy"),
         "-o", str(tmp_path / target), "--tile", "64"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        process.wait(timeout=2.5)
        pytest.fail("the run ended before it could be killed")
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    after = snapshot(tmp_path)
    assert {name: after[name] for name in after if not name.startswith(".")} == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def no_engine(monkeypatch) -> None:
    """Any try to open an engine fails the test."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("an engine was opened")

    monkeypatch.setattr("pyengine.cli.options.Engine", refuse)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("a.png -o a.png", ["a.png: this output would replace the input a.png"]),
        ("a.png -o sub/../a.png", ["sub/../a.png", "the input a.png"]),
        ("a.png -o hard.png", ["hard.png", "the input a.png"]),
        ("a.png -o soft.png", ["soft.png", "the input a.png"]),
        ("a.png -o .", ["a.png", "would replace"]),
        (". -o .", ["a.png", "would replace"]),
        (". -o linked", ["linked/a.png", "would replace"]),
        (". -o linked --resume", ["linked/a.png", "would replace"]),
        ("sub a.png -o sub", ["sub/a.overlay.png", "would replace"]),
        ("sub a.png b.tif -o . --format tif", ["b.tif", "would replace"]),
        ("a.png -o net.png -e net.png", ["net.png", "would replace the input net.png"]),
        ("a.png sub/a.overlay.png -o sub2 --overlay", ["a.overlay.png: would be written twice"]),
        ("sub/a.overlay.png x.png -o sub --overlay", ["would replace"]),
        ("x.png x.tif -o sub2 --overlay", ["x.overlay.png: would be written twice", "x.tif"]),
        ("x.png sub/x.png -o sub2", ["x.png: would be written twice, for x.png and for sub/x.png"]),
        ("a.png x.png -o notes.txt", ["notes.txt is a file"]),
        ("a.png -o notes", ["notes is a file", "suffix such as .png"]),
        ("a.png x.png -o new.h5:/labels", ["new.h5:/labels is a file"]),
        ("e.h5:/raw -o e.h5:/raw", ["e.h5: holds 'raw' already", "e.h5:/raw_2"]),
        ("e.h5 -o e.h5", ["e.h5: this output would replace the input"]),
        ("e.h5 -o .", ["e.h5: this output would replace the input"]),
        ("a.png -o e.h5:/raw", ["e.h5: holds 'raw' already"]),
        ("a.png -o e.h5", ["e.h5: exists, and holds images by name", "e.h5:/NAME"]),
    ],
)
def test_originals_are_never_replaced(
    capsys, tmp_path, monkeypatch, no_engine, arguments, words
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("sub2").mkdir()
    for name in ("a.png", "x.png", "x.tif", "b.tif", "net.png", "sub/c.png", "sub/x.png",
                 "sub/a.overlay.png", "sub/x.overlay.png"):  # fmt: skip
        Image.fromarray(np.full((8, 8), 7, np.uint8)).save(name)
    with h5py.File("e.h5", "w") as file:
        file["raw"] = np.zeros((8, 8), np.uint8)
    os.link("a.png", "hard.png")
    os.symlink("a.png", "soft.png")
    os.symlink(".", "linked")
    Path("notes.txt").write_text("mine")
    Path("notes").write_text("mine")
    before = snapshot(tmp_path)
    status, _, err = run(capsys, "segment", *arguments.split())
    assert status == 2
    assert len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err
    assert snapshot(tmp_path) == before


def test_a_source_is_never_replaced_by_its_engine(capsys, tmp_path, monkeypatch) -> None:
    import onnx

    monkeypatch.chdir(tmp_path)
    net = nn.Conv2d(1, 2, 3).eval()
    torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), "net.onnx", dynamo=False)
    onnx.save(
        onnx.load("net.onnx"), "large.onnx", save_as_external_data=True, size_threshold=0,
        location="weights.bin",
    )  # fmt: skip
    Path("net.pt").write_bytes(b"no checkpoint, but the user's")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("a.png")
    before = snapshot(tmp_path)
    for arguments, words in {
        "net.onnx -o net.onnx": "net.onnx: this output would replace the input net.onnx",
        "net.pt -o ./net.pt": "would replace the input net.pt",
        "large.onnx -o weights.bin": "would replace the input weights.bin",
        "net.onnx -o x.pyengine --executor tensorrt -i a.png --log a.png": "the input a.png",
        "net.onnx -o x.pyengine --executor tensorrt -i . --log net.onnx": "the input net.onnx",
        "net.onnx -o a.png --executor tensorrt -i a.png": "would replace the input a.png",
        "net.onnx -o x.pyengine --executor tensorrt --log x.pyengine": "would be written twice",
    }.items():
        status, _, err = run(capsys, "build", *arguments.split())
        assert (status, len(err.strip().splitlines())) == (2, 1), err
        assert words in err
        assert snapshot(tmp_path) == before
    with pytest.raises(ValueError, match="would replace the input"):
        pyengine.build("net.onnx", tmp_path / "net.onnx")


def test_resume_looks_for_the_data_set(capsys, tmp_path) -> None:
    path = tmp_path / "e.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = np.zeros((8, 9), np.uint8)
    arguments = [
        "segment",
        "-e",
        "em-membranes",
        f"{path}:/raw",
        "-o",
        f"{path}:/labels",
        "--resume",
    ]
    status, text, _ = run(capsys, *arguments)
    assert (status, text) == (0, "")
    status, text, _ = run(capsys, *arguments)
    assert status == 0
    assert "0 segmented, 1 skipped" in text
    with h5py.File(path) as file:
        assert sorted(file) == ["labels", "raw"]


def test_no_engine_is_taken_silently(capsys, images, tmp_path) -> None:
    status, _, err = run(capsys, "segment", images, "-o", tmp_path / "out")
    assert status == 2
    assert "give --engine: " in err
    assert "a.png fits em-membranes, oct-fluid, ultrasound-nerve alike" in err
    assert not (tmp_path / "out").exists()
    # Colour fits one engine alone, also behind an image that cannot be read.
    rng = np.random.default_rng(0)
    color = tmp_path / "color"
    color.mkdir()
    (color / "a.png").write_bytes(b"broken")
    Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(color / "b.png")
    status, text, err = run(capsys, "segment", color, "-o", tmp_path / "vessels")
    assert status == 1
    assert "1 segmented" in text
    assert err.splitlines()[0] == "pyengine: no --engine given; retinal-vessels alone fits"
    # Colour that is grey fits all; what fits none is told with what there is.
    Image.fromarray(np.full((40, 50, 3), 7, np.uint8)).save(tmp_path / "grey.png")
    status, _, err = run(capsys, "segment", tmp_path / "grey.png", "-o", tmp_path / "o.png")
    assert status == 2
    assert "retinal-vessels" in err
    status, _, err = run(capsys, "segment", color / "a.png", "-o", tmp_path / "o.png")
    assert status == 2
    assert "no image fits one of those that ship, em-membranes (1 channel)" in err


@pytest.mark.parametrize("out", ["in/out", "in", "in/sub"])
def test_own_results_are_no_inputs(capsys, images, tmp_path, out) -> None:
    arguments = [
        "segment",
        "-e",
        "em-membranes",
        images,
        "-o",
        tmp_path / out,
        "--format",
        "npy",
        "--overlay",
    ]
    before = {p: p.read_bytes() for p in images.rglob("*") if p.is_file()}
    assert run(capsys, *arguments)[0] == 0
    status, text, err = run(capsys, *arguments)
    assert status == 0
    assert "3 segmented" in text
    assert "6 result(s) of pyengine left out" in err
    assert {p: p.read_bytes() for p in before} == before
    # By another run, elsewhere and of another kind.
    _, text, _ = run(
        capsys,
        "segment",
        "-e",
        "em-membranes",
        images,
        "-o",
        images / "more",
        "--output-kind",
        "logits",
    )
    assert "3 segmented" in text
    _, text, err = run(capsys, "segment", "-e", "em-membranes", images, "-o", tmp_path / "far")
    assert "3 segmented" in text
    assert "9 result(s) of pyengine left out" in err
    # Where there is nothing else, the way to them is named; by a glob they are read.
    status, _, err = run(
        capsys, "segment", "-e", "em-membranes", tmp_path / "far", "-o", tmp_path / "again"
    )
    assert status == 2
    assert "no image in this folder but 3 result(s) of pyengine" in err
    status, text, _ = run(
        capsys,
        "segment",
        "-e",
        "em-membranes",
        tmp_path / "far" / "*.png",
        "-o",
        tmp_path / "again",
    )
    assert status == 0


def test_resume_redoes_what_was_made_otherwise(capsys, images, tmp_path) -> None:
    out = tmp_path / "out"

    def resume(*more: object) -> str:
        arguments = [
            "segment",
            "-e",
            "em-membranes",
            images,
            "-o",
            out,
            "--resume",
            "--format",
            "npy",
        ]
        status, text, err = run(capsys, *arguments, *more)
        assert status == 0, err
        return text.split(",")[0]

    assert resume() == "3 segmented"
    assert resume() == resume("--tile", "32", "--threads", "1") == "0 segmented"
    kind = ("--output-kind", "probabilities")
    assert resume(*kind) == "3 segmented"
    assert np.load(out / "a.npy").ndim == 3
    assert resume(*kind) == "0 segmented"
    assert resume("--tta", "flips") == "3 segmented"
    assert resume("--engine", "oct-fluid") == resume() == "3 segmented"
    # Another image of that name, an output that lacks, notes that were lost or cut.
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(images / "a.png")
    (out / "sub" / "c.npy").unlink()
    assert resume() == "2 segmented"
    assert np.load(out / "a.npy").shape == (9, 8)
    notes = out / NOTES
    notes.write_bytes(notes.read_bytes()[:-9])
    assert resume() == "1 segmented"
    notes.unlink()
    assert resume() == "2 segmented"
    assert resume() == "0 segmented"


def test_resume_makes_overlays_that_lack(capsys, images, tmp_path, monkeypatch) -> None:
    arguments = ["segment", "-e", "em-membranes", images, "-o", tmp_path / "out", "--overlay"]
    calls = []

    def fail(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pyengine.cli.companions.save_image", fail)
        assert run(capsys, *arguments)[0] == 130
    assert not list(tmp_path.rglob("*.overlay.png"))
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    status, text, _ = run(capsys, *arguments, "--resume")
    assert status == 0
    assert "3 segmented, 0 skipped" in text
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
    assert len(list(tmp_path.rglob("*.overlay.png"))) == 3
    _, text, _ = run(capsys, *arguments, "--resume")
    assert "0 segmented, 3 skipped" in text
    # An overlay alone that is asked for later is made from the labels that are there.
    assert run(capsys, "segment", "-e", "em-membranes", images, "-o", tmp_path / "b")[0] == 0
    before = (tmp_path / "b" / "a.png").stat().st_mtime_ns
    assert (
        run(
            capsys,
            "segment",
            "-e",
            "em-membranes",
            images,
            "-o",
            tmp_path / "b",
            "--overlay",
            "--resume",
        )[0]
        == 0
    )
    assert (tmp_path / "b" / "a.png").stat().st_mtime_ns == before
    assert (tmp_path / "b" / "a.overlay.png").exists()


def test_hidden_files_are_no_inputs(capsys, images, tmp_path) -> None:
    (images / "._a.png").write_bytes(b"of another system")
    left = images / "sub" / ".c.png.pyengine-unfinished-0-01234567"
    left.mkdir()
    (left / "c.png").write_bytes((images / "a.png").read_bytes())
    status, text, _ = run(
        capsys, "segment", "-e", "em-membranes", images, "-o", tmp_path / ".hidden" / "out"
    )
    assert status == 0
    assert "3 segmented" in text
    glob = f"{tmp_path}/.hidden/out/**/*.*"
    status, text, _ = run(capsys, "segment", "-e", "em-membranes", glob, "-o", tmp_path / "again")
    assert "3 segmented" in text


@pytest.mark.parametrize("unbuffered", ["", "1"])  # met at the last flush, or by print
@pytest.mark.parametrize(
    "code",
    [
        "from pyengine.cli import main; main(['info', 'em-membranes'])",
        "from train import __main__ as t; t._results = lambda _: print('table'); t.main(['results'])",
    ],
)
def test_nobody_reads_on(code: str, unbuffered: str) -> None:
    """As under ``| head``, which closes the pipe: no traceback, no complaint at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.stdin.read(); {code}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, complaints = process.communicate("")
    assert (process.returncode, complaints) == (0, "")


def test_live_plays_a_source_and_tells_ages(capsys, tmp_path) -> None:
    tifffile.imwrite(
        tmp_path / "volume.tif", np.zeros((3, 64, 96), np.uint8), photometric="minisblack"
    )
    status, out, _ = run(
        capsys,
        "live",
        "-e",
        "oct-fluid",
        "-s",
        tmp_path / "volume.tif",
        "--rate",
        20,
        "--seconds",
        1.5,
    )
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "oct-fluid, 64 x 96 px, newest"
    assert len(lines) == 3  # one after a second, one in the end
    assert lines[-1].startswith("30 frames at 20/s: ")
    assert re.search(r"% replaced, age p50 [\d.]+ ms, p99 [\d.]+ ms, max [\d.]+ ms$", lines[-1])
    for options, words in (
        (["--rate", "0"], "rate must be above 0"),
        (["--seconds", "-1"], "seconds must be above 0"),
        (["--source", tmp_path / "none.tif"], "no such file"),
        (["-e", "retinal-vessels"], "the phantom has 1 channel, the network needs 3"),
    ):
        status, _, err = run(capsys, "live", *options)
        assert (status, words in err) == (2, True), err


def test_the_dashboard_is_a_table_on_a_terminal() -> None:
    pytest.importorskip("rich")
    from pyengine.cli.dashboard import Snapshot, open_dashboard
    from pyengine.stream import Durations, StreamStatistics

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    ages = Durations(0.010, 0.020, 0.030, 0.040)
    counts = StreamStatistics(100, 60, 0, 40, 0, 0, 0, 0, 0, 0, 60, ages, ages, 1)
    out = Terminal()
    with open_dashboard("engine", out) as dashboard:
        dashboard.show(Snapshot(30, 1.0, counts))
        dashboard.show(Snapshot(30, 2.0, counts))
    for words in ("engine", "60 at 0.0/s", "10.0 / 30.0 / 40.0 ms", "40 (40.0%)"):
        assert words in out.getvalue()
