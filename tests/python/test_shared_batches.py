"""Batches on many processes: each image once, nothing half-written, the bytes of one run."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import pyengine
from pyengine.claims import LOCKS, claims
from pyengine.cli import main
from pyengine.cli.where import part, part_of
from pyengine.made_files import NOTES
from pyengine.pipeline import pipeline

ENGINE = "em-membranes"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for i in range(9):
        Image.fromarray(rng.integers(0, 256, (70 + i, 90), np.uint8)).save(folder / f"{i}.png")
    return folder


def segment(images: Path, out: Path, *more: str) -> list[str]:
    return ["segment", str(images), "-o", str(out), "-e", ENGINE, "--threads", "1", *more]


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "pyengine", *args]


def run(*args: str, **more) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command(*args), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def expected(images, tmp_path_factory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("expected") / "out"
    assert main(segment(images, out, "--overlay")) == 0
    return contents(out)


def made(out: Path) -> list[str]:
    """Names of results as often as they were made."""
    import json

    notes = [json.loads(line) for line in (out / NOTES).read_text().splitlines() if line]
    return sorted(note["name"] for note in notes if note["made"] is not None)


# ---- parts ----------------------------------------------------------------------------------------


def test_parts_are_what_array_jobs_say() -> None:
    assert part(None) == (0, 1)
    assert part("2/3") == (1, 3)
    slurm = {
        "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"
    }  # fmt: skip
    assert part("auto", slurm) == (2, 4)
    assert part("auto/6", {"JOB_COMPLETION_INDEX": "5"}) == (5, 6)
    for text, environment in [
        ("0/3", {}), ("4/3", {}), ("x", {}), ("1", {}), ("auto", {}),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}), ("auto/2", {"JOB_COMPLETION_INDEX": "2"}),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="part"):
            part(text, environment)


def test_parts_are_disjoint_and_all() -> None:
    for count in range(1, 9):
        parts = [part_of(range(7), (i, count)) for i in range(count)]
        assert sorted(item for some in parts for item in some) == list(range(7))


def test_parts_in_any_order_give_one_run(images, tmp_path, expected, capsys) -> None:
    out = tmp_path / "out"
    for which in ("3/4", "1/4", "4/4", "2/4", "1/4"):
        assert main(segment(images, out, "--overlay", "--resume", "--part", which)) == 0
    assert contents(out) == expected
    assert len(made(out)) == 2 * 9
    assert "3 skipped" in capsys.readouterr().out


def test_one_image_has_no_parts(images, tmp_path, capsys) -> None:
    arguments = ["segment", str(images / "0.png"), "-o", str(tmp_path / "o.png"), "-e", ENGINE]
    assert main([*arguments, "--part", "1/2"]) == 2
    assert "parts are files" in capsys.readouterr().err


# ---- several processes ----------------------------------------------------------------------------


def test_claims_end_with_their_process(tmp_path) -> None:
    script = (
        "from pyengine.claims import Claims; from pathlib import Path; import time\n"
        f"print(Claims().take(Path({str(tmp_path / 'a')!r}), 'a'), flush=True); time.sleep(60)"
    )
    script = script.replace("print(Claims()", "c = Claims(); print(c")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    other = subprocess.Popen(
        [sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "True"
    with claims() as mine:
        assert not mine.take(tmp_path / "a", "a")
        assert mine.take(tmp_path / "b", "b")
        other.kill()
        other.wait()
        assert mine.take(tmp_path / "a", "a", wait=True)
        mine.give_up(tmp_path / "a", "a")
    assert not (tmp_path / LOCKS).exists()


def test_two_processes_share_a_folder(images, tmp_path, expected) -> None:
    out = tmp_path / "out"
    both = [run(*segment(images, out, "--overlay", "--resume")) for _ in range(2)]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert contents(out) == expected
    assert made(out) == sorted(expected), told  # none twice
    assert not (out / LOCKS).exists()


def test_what_a_dead_process_left_is_done_by_another(images, tmp_path, expected) -> None:
    out = tmp_path / "out"
    first = run(*segment(images, out, "--overlay", "--resume"))
    second = run(*segment(images, out, "--overlay", "--resume"))
    deadline = time.monotonic() + 120
    while not list(out.glob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    told, _ = second.communicate(timeout=300)
    assert second.returncode == 0, told
    assert contents(out) == expected


def killed_run(images: Path, out: Path, seconds: float) -> None:
    process = run(*segment(images, out, "--overlay", "--resume"))
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "moments", [pytest.param(5, id="5"), pytest.param(100, id="100", marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(images, tmp_path, expected, moments) -> None:
    started = time.monotonic()
    killed_run(images, tmp_path / "whole", 600)
    whole = time.monotonic() - started
    moment = random.Random(moments)
    out = tmp_path / "out"
    for i in range(moments):
        if contents(out) == expected if out.exists() else False:
            out = tmp_path / f"out{i}"
        killed_run(images, out, moment.uniform(0.2, 1) * whole)
        if not out.exists():
            continue
        for path in out.iterdir():
            if path.suffix == ".png":  # no half file: what is there is what will be
                assert expected[path.name] == contents(out)[path.name]
    assert main(segment(images, out, "--overlay", "--resume")) == 0
    assert contents(out) == expected
    left = {path.name for path in out.iterdir()} - set(expected)
    assert left <= {NOTES}


# ---- the pipeline ---------------------------------------------------------------------------------


class Step:
    """A work that notes when it does what."""

    held = 0
    most_held = 0

    def __init__(self, number: int, fails: str = "") -> None:
        self.number, self.fails = number, fails
        self.done: list[str] = []

    def _do(self, what: str) -> None:
        if self.fails == what:
            raise ValueError(what)
        self.done.append(what)

    def read(self) -> None:
        Step.held += 1
        Step.most_held = max(Step.most_held, Step.held)
        self._do("read")

    def compute(self) -> None:
        self._do("compute")

    def write(self) -> None:
        Step.held -= 1
        time.sleep(0.001)
        self._do("write")


def test_a_pipeline_holds_few_works_and_loses_none() -> None:
    Step.held = Step.most_held = 0
    works = [Step(i) for i in range(60)]
    ended = list(pipeline(iter(works), ahead=2))
    assert [work.number for work, _ in ended] == list(range(60))
    assert all(work.done == ["read", "compute", "write"] for work in works)
    assert Step.most_held <= 6


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_a_work_that_fails_costs_no_other(stage) -> None:
    works = [Step(i, stage if i in (0, 3, 7) else "") for i in range(8)]
    ended = dict(pipeline(works))
    assert {w.number for w, error in ended.items() if error is not None} == {0, 3, 7}
    assert len(ended) == 8


def test_what_no_work_may_fail_with_ends_the_pipeline() -> None:
    with pytest.raises(ValueError, match="compute"):
        list(pipeline([Step(0), Step(1, "compute"), Step(2)], errors=(OSError,)))


@pytest.mark.slow
def test_many_files_in_flat_memory(tmp_path) -> None:
    """3,000 images: what a process holds does not grow with what it did."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3000):
        Image.fromarray(rng.integers(0, 256, (64, 64), np.uint8)).save(folder / f"{i:04}.png")
    out = tmp_path / "out"
    process = run(*segment(folder, out))
    held = []
    while process.poll() is None:
        done = len(list(out.glob("*.png"))) if out.exists() else 0
        try:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            break
        if done > 500:
            held.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        time.sleep(0.2)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert len(list(out.glob("*.png"))) == 3000
    third = len(held) // 3
    assert max(held[-third:]) < max(held[:third]) + 20, held  # MB


def test_regions_tissue_and_masks_on_the_command_line(tmp_path, capsys) -> None:
    image = np.full((600, 900), 255, np.uint8)
    image[:200, :300] = np.random.default_rng(0).integers(0, 120, (200, 300), np.uint8)
    Image.fromarray(image).save(tmp_path / "slide.png")
    engine = pyengine.Engine(ENGINE)
    arguments = ["segment", str(tmp_path / "slide.png"), "-e", ENGINE]

    def result(*more: str) -> np.ndarray:
        assert main([*arguments, "-o", str(tmp_path / "labels.png"), *more]) == 0
        return np.asarray(Image.open(tmp_path / "labels.png"))

    whole = engine.segment(image)
    np.testing.assert_array_equal(result("--region", "10,20,300,400"), whole[10:310, 20:420])
    tissue = engine.segment(image, mask=pyengine.tissue)
    np.testing.assert_array_equal(result("--tissue"), tissue)
    assert "left out as background" in capsys.readouterr().err
    mask = np.zeros((2, 3), np.uint8)
    mask[0, 0] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(
        result("--mask", str(tmp_path / "mask.png")), engine.segment(image, mask=mask)
    )
    assert main([*arguments, "-o", str(tmp_path / "l.png"), "--region", "1,2,3"]) == 2
    assert "region must be" in capsys.readouterr().err
