"""Images that only go through a network as a whole, with more planes than memory may hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_image
from torch import nn

import pyengine

LITTLE = 1 << 20  # [bytes] of memory: all but a few rows of the planes here go to the file
MUCH = 1 << 32


class Norms(nn.Module):
    """Norms over the image beside skips, strides, pooling, vectors and both ways to enlarge."""

    def __init__(self, kernel: int = 2) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(2, 18, 3, padding=1), nn.InstanceNorm2d(18, affine=True)
        )
        self.down = nn.Sequential(nn.Conv2d(18, 20, 3, 2, 1), nn.GroupNorm(4, 20), nn.SiLU())
        self.deep = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(20, 33, 3, padding=1), nn.ReLU())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(33, 33, 1), nn.Sigmoid())
        self.up = nn.ConvTranspose2d(33, 16, kernel, 2, (kernel - 2) // 2)
        self.last = nn.Sequential(nn.Conv2d(36, 18, 3, padding=1), nn.InstanceNorm2d(18))
        self.head = nn.Conv2d(36, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = nn.functional.leaky_relu(self.first(x))
        b = self.down(a)
        c = self.deep(b)
        c = self.last(torch.cat([self.up(c * self.gate(c)), b], 1))
        c = nn.functional.interpolate(c, scale_factor=2, mode="bilinear")
        return self.head(torch.cat([a, c], 1))


@pytest.fixture(scope="module", params=[2, 4])
def path(request, tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("whole") / "x.pyengine"
    pyengine.build(Norms(request.param), path, (1, 2, 32, 48))
    return path


@pytest.mark.parametrize("threads", [1, 3])
def test_planes_in_a_file_change_no_bit(path, threads, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    engine = pyengine.Engine(path, threads=threads)
    assert not engine.info.tileable
    for height, width in [(320, 256), (1, 9), (161, 203)]:
        image = random_image(np.random.default_rng(height), height, width, 2)
        want = engine.segment(image, output="logits", max_memory=MUCH)
        for memory in (1, 3 * LITTLE):
            got = engine.segment(image, output="logits", max_memory=memory)
            np.testing.assert_array_equal(got, want, err_msg=f"{memory} bytes")
    labels = engine.segment(image, max_memory=1)
    np.testing.assert_array_equal(labels, engine.segment(image, max_memory=MUCH))
    assert list(tmp_path.iterdir()) == []


def test_progress_and_cancel(path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    engine = pyengine.Engine(path)
    image = random_image(np.random.default_rng(0), 320, 256, 2)
    told: list[tuple[int, int]] = []
    engine.segment(image, max_memory=LITTLE, progress=lambda *of: told.append(of))
    assert len(told) > 50
    assert told == [(i + 1, len(told)) for i in range(len(told))]
    with pytest.raises(pyengine.CancelledError):
        engine.segment(image, max_memory=LITTLE, progress=lambda done, total: done < 9)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return True

    with pytest.raises(pyengine.CancelledError):
        engine.segment(image, max_memory=LITTLE, cancelled=cancelled)
    assert asked == [1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_the_planes_is_one_error(path, tmp_path, monkeypatch) -> None:
    engine = pyengine.Engine(path)
    image = random_image(np.random.default_rng(0), 320, 256, 2)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(OSError, match=r"temporary file of \d+ bytes in .*missing: No such file"):
        engine.segment(image, max_memory=LITTLE)


RUN = """
import os, resource, sys, threading, time, numpy as np, pyengine
engine = pyengine.Engine(sys.argv[1], threads=2)
image = np.random.default_rng(0).integers(0, 255, (2048, 1024, 2), np.uint8)
engine.segment(image[:64, :64])
memory = int(sys.argv[2])
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")
before, most, done = resident(), 0, False
def watch():
    global most
    while not done:
        most = max(most, resident())
        time.sleep(0.002)
watcher = threading.Thread(target=watch)
watcher.start()
try:
    engine.segment(image, max_memory=memory)
except OSError as error:
    print(error)
    sys.exit(3)
finally:
    done = True
    watcher.join()
print(most - before)
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_within_the_limit(path) -> None:
    """Planes of 16 channels take 128 MiB at full resolution, and several of them live at once."""
    memory = 48 << 20
    ended = run(path, memory)
    assert ended.returncode == 0, ended.stderr
    # A pooled vector is taken of whole planes: one of a quarter's size passes through memory.
    assert int(ended.stdout) < memory + (64 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_disk_without_room_is_told_before_work_begins(path) -> None:
    ended = run(path, 48 << 20, 1 << 20)
    assert ended.returncode == 3, ended.stderr
    assert "temporary file of" in ended.stdout
    assert "may write files of 1048576 bytes alone" in ended.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_8192_pixels_squared_within_a_gibibyte(path, tmp_path) -> None:
    if os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize < 40 << 30:
        pytest.skip("needs 40 GB of disk")
    big = RUN.replace("(2048, 1024, 2)", "(8192, 8192, 2)")
    ended = subprocess.run(
        [sys.executable, "-c", big, str(path), str(1 << 30)], capture_output=True, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 2 << 30
