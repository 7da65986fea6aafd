"""Files appear complete, are on the disk before they appear, and leave nothing behind."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyengine.atomic_file import update_atomically, write_atomically

# Writes a file and then waits to be killed.
_WRITER = """
import sys, time
from pathlib import Path
from pyengine.atomic_file import write_atomically

def write(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(600)

write_atomically(Path(sys.argv[1]), write)
"""


def start_writer(target: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, target], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


def write_in_new_process(target: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pyengine.atomic_file import write_atomically; "
        "write_atomically(Path(sys.argv[1]), lambda path: path.write_text('whole'))"
    )
    subprocess.run([sys.executable, "-c", code, target], check=True)


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    process = start_writer(target)
    process.kill()
    process.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    write_in_new_process(target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "whole"


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    process = start_writer(tmp_path / "theirs.txt")
    (tmp_path / ".users.pyengine").mkdir()
    before = sorted(tmp_path.iterdir())
    try:
        write_in_new_process(tmp_path / "ours.txt")
        assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "ours.txt"])
    finally:
        process.kill()
        process.communicate()


def test_other_machines_locks_may_be_unseen(tmp_path: Path) -> None:
    """What another kernel wrote to a shared disk is removed only when it has been idle for long."""
    fresh, old = (
        tmp_path / f".x.pyengine-unfinished-{kernel}-01234567" for kernel in ("aaaa", "bbbb")
    )
    for folder in (fresh, old):
        folder.mkdir()
        (folder / "x").write_text("half")
    for path in (old / "x", old):
        os.utime(path, (0, 0))
    write_atomically(tmp_path / "out.txt", lambda path: path.write_text("whole"))
    assert sorted(tmp_path.iterdir()) == [fresh, tmp_path / "out.txt"]


def test_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch) -> None:
    done: list[tuple[str, object]] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append(("flush", os.fstat(handle).st_ino)), fsync(handle))
    )
    monkeypatch.setattr(
        os, "replace", lambda a, b: (done.append(("rename", Path(b).name)), replace(a, b))
    )
    target = tmp_path / "out.txt"
    write_atomically(target, lambda path: path.write_text("whole"))
    assert done == [
        ("flush", target.stat().st_ino), ("rename", "out.txt"), ("flush", tmp_path.stat().st_ino),
    ]  # fmt: skip


def test_folders_are_written_like_files(tmp_path: Path) -> None:
    target = tmp_path / "out.folder"

    def write(path: Path) -> None:
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "part").write_text("whole")

    write_atomically(target, write)
    assert (target / "deep" / "part").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileExistsError, match="is a folder, which is never replaced"):
        write_atomically(target, write)

    def fail(path: Path) -> None:
        write(path)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "other", fail)
    assert list(tmp_path.iterdir()) == [target]


def test_new_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "ours", lambda path: path.write_text(""))
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_longest_of_names(tmp_path: Path) -> None:
    target = tmp_path / ("\u00e4" * 127)  # 254 bytes of 255
    write_atomically(target, lambda path: path.write_text("whole"))
    assert list(tmp_path.iterdir()) == [target]


def test_an_update_keeps_permissions_and_refuses_protected_files(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    target.chmod(0o640)
    update_atomically(target, lambda path: path.write_text(path.read_text() + " and new"))
    assert target.read_text() == "old and new"
    assert target.stat().st_mode & 0o777 == 0o640
    if os.geteuid() != 0:  # root may write to anything
        target.chmod(0o440)
        with pytest.raises(PermissionError, match="write-protected"):
            update_atomically(target, lambda path: path.write_text("newer"))
        assert target.read_text() == "old and new"


def test_a_change_that_comes_while_the_copy_is_flushed_is_kept(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "shared.txt"
    target.write_text("raw")
    flush = os.fsync

    def fsync(handle: int) -> None:
        target.write_text("raw and theirs")
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="another program changed it"):
        update_atomically(target, lambda path: path.write_text("raw and ours"))
    assert target.read_text() == "raw and theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_another_program_writes_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "shared.txt"
    target.write_text("raw")
    with target.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another program is writing to it"):
            update_atomically(target, lambda path: path.write_text("ours"))
    assert target.read_text() == "raw"


def test_a_replaced_file_leaves_its_permissions_and_a_link_what_it_led_to(tmp_path: Path) -> None:
    target, kept = tmp_path / "patient.txt", tmp_path / "kept.txt"
    target.write_text("old")
    target.chmod(0o600)
    write_atomically(target, lambda path: path.write_text("new"))
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    kept.write_text("kept")
    link = tmp_path / "link.txt"
    link.symlink_to(kept)
    write_atomically(link, lambda path: path.write_text("new"))
    assert (kept.read_text(), link.read_text(), link.is_symlink()) == ("kept", "new", False)
