"""What a run keeps, continues and refuses: folders, short runs, resumption, precision."""

from __future__ import annotations

import json

import pytest
import torch
from test_train_fit import TINY, fit, tiny

from train import __main__ as command
from train import checkpoint, machine, prepare
from train import fit as fit_module
from train.config import load_config
from train.module import TrainingModule

__all__ = ["tiny"]  # a fixture


def configure(folder, *changes: tuple[str, str]) -> None:
    text = TINY.format(padding="same")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "tiny.toml").write_text(text)


def test_runs_shorter_than_the_distance_of_validations_keep_what_they_learned(tiny) -> None:
    configure(tiny, ("epochs = 3", "epochs = 84\nvalidate_every_epochs = 6"))
    assert fit(tiny, "run", "--epochs", "1") == 0
    record = json.loads((tiny / "run" / "run.json").read_text())
    assert (record["epochs"], record["best_epoch"]) == (1, 1)
    assert (tiny / "run" / "best.pt").is_file()


def test_a_run_is_overwritten_only_on_request(tiny, capsys) -> None:
    assert fit(tiny, "run") == 0
    run = tiny / "run"
    assert command.main(["ship", str(run)]) == 0
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert fit(tiny, "run") == 2
    error = capsys.readouterr().err
    assert "holds a run already (run.json); --resume continues it, --overwrite" in error
    assert error.count("\n") == 1
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    # What does not fit is refused before anything is deleted.
    configure(tiny, ("base_width = 2", "base_width = 2\nclasses = 5"))
    assert fit(tiny, "run", "--overwrite") == 2
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
    configure(tiny)
    assert fit(tiny, "run", "--overwrite", "--epochs", "1") == 0
    assert [p.name for p in (run / "progress").iterdir()] == ["00001.png"]
    assert not list(run.glob("tiny.*"))  # engine, card and scores of the other network
    assert (run / "data.h5").read_bytes() == before[run / "data.h5"]


def test_a_run_that_stopped_is_not_overwritten_either(tiny, capsys) -> None:
    assert fit(tiny, "run", "--epochs", "1") == 0
    for name in ("run.json", "best.pt"):
        (tiny / "run" / name).unlink()
    assert fit(tiny, "run") == 2
    assert "holds a run already (best.ckpt)" in capsys.readouterr().err
    assert fit(tiny, "run", "--resume") == 0


def test_files_that_no_run_wrote_are_never_deleted(tiny, capsys) -> None:
    out = tiny / "own"
    own = [out / name for name in ("logs/notes.txt", "progress/mine.png", "tensorboard/x", "data")]
    in_the_way = [out / name for name in ("tiny.pyengine", "report.html", "best.pt", "tiny.md")]
    for path in (*own, *in_the_way):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    for more in ([], ["--overwrite"]):
        assert fit(tiny, "own", *more) == 2
        error = capsys.readouterr().err
        assert "holds best.pt, which training would replace, but no run; --output" in error
        assert error.count("\n") == 1
    assert all(path.read_text() == "mine" for path in (*own, *in_the_way))
    for path in in_the_way:
        path.unlink()
    assert fit(tiny, "own", "--epochs", "1") == 0
    assert fit(tiny, "own", "--epochs", "1", "--overwrite") == 0
    assert all(path.read_text() == "mine" for path in own)


def test_a_run_without_a_state_yet_is_overwritten_on_request(tiny) -> None:
    (tiny / "run" / "logs" / "version_0").mkdir(parents=True)
    assert fit(tiny, "run", "--epochs", "1") == 2
    assert fit(tiny, "run", "--epochs", "1", "--overwrite") == 0


def test_resuming_needs_a_state_and_excludes_overwriting(tiny, capsys) -> None:
    assert fit(tiny, "run", "--epochs", "1") == 0
    (tiny / "run" / "last.ckpt").unlink()
    before = (tiny / "run" / "best.pt").read_bytes()
    capsys.readouterr()
    for out in ("run", "never"):
        assert fit(tiny, out, "--resume") == 2
        assert "last.ckpt: missing, so there is nothing to resume" in capsys.readouterr().err
    assert (tiny / "run" / "best.pt").read_bytes() == before
    assert not (tiny / "never").exists()
    with pytest.raises(SystemExit):
        fit(tiny, "run", "--resume", "--overwrite")
    config = load_config(str(tiny / "tiny.toml"))
    with pytest.raises(ValueError, match="give one of them"):
        fit_module.fit(config, tiny / "run", resume=True, overwrite=True)


def test_no_verb_replaces_what_it_reads(tiny, capsys) -> None:
    assert fit(tiny, "run", "--epochs", "1") == 0
    run, toml = tiny / "run", str(tiny / "tiny.toml")
    assert command.main(["ship", str(run)]) == 0
    before = {p: p.read_bytes() for p in tiny.rglob("*") if p.is_file()}
    best, data, engine = (str(run / name) for name in ("best.pt", "data.h5", "tiny.pyengine"))
    root = str(tiny / "isbi")
    evaluate = ["evaluate", toml, "--data", data]
    again = ["fit", toml, "-o", str(run), "--overwrite"]
    for main, arguments in (
        (command.main, [*evaluate, "--checkpoint", best, "-o", best]),
        (command.main, [*evaluate, "--checkpoint", best, "-o", data]),
        (command.main, [*evaluate, "--checkpoint", best, "-o", toml]),
        (command.main, [*evaluate, "--engine", engine, "-o", engine]),
        (
            command.main,
            ["evaluate", toml, "--engine", engine, "--root", root, "-o", f"{root}/a.json"],
        ),
        (command.main, [*again, "--data", data, "--initial", best]),
        (command.main, [*again, "--data", data, "--initial", engine]),
        (command.main, ["ship", str(run), "--data", str(run / "tiny.json")]),
        (command.main, ["report", str(run), "--engine", str(run / "report.html")]),
        (prepare.main, [toml, "--root", root, "-o", root]),
        (prepare.main, [toml, "--root", root, "-o", f"{root}/new.h5"]),
        (prepare.main, [toml, "--root", root, "-o", toml]),
        (checkpoint.main, [best, best]),
    ):
        capsys.readouterr()
        if "report" in arguments:
            (run / "report.html").hardlink_to(engine)
        assert main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert "would replace the input" in error or "which is only read" in error, error
        assert error.count("\n") == 1
        (run / "report.html").unlink(missing_ok=True)
        assert {p: p.read_bytes() for p in tiny.rglob("*") if p.is_file()} == before


def test_runs_with_workers_resume_bit_identically(tiny, monkeypatch) -> None:
    """Workers fetch ahead; they must not draw the patches of another epoch."""
    configure(tiny, ("workers = 0\n", ""), ("epochs = 3", "epochs = 2"))
    assert fit(tiny, "whole") == 0
    step = TrainingModule.training_step

    def killed(self, batch, index):
        if self.current_epoch == 1:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            fit(tiny, "parts")
    assert fit(tiny, "parts", "--resume") == 0
    whole, parts = (
        torch.load(tiny / out / "last.ckpt", weights_only=True)["state_dict"]
        for out in ("whole", "parts")
    )
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key


def test_bfloat16_needs_units_for_it(tiny, monkeypatch, caplog) -> None:
    for flags, there in (("fma avx512_bf16", True), ("amx_bf16", True), ("avx512f avx2", False)):
        monkeypatch.setattr(machine, "_field", lambda _, flags=flags: flags)
        assert machine.has_bfloat16_units() == there
    for there, accelerator, configured, want in (
        (False, "cpu", "bf16-mixed", "32-true"), (True, "cpu", "bf16-mixed", "bf16-mixed"),
        (False, "cpu", "16-mixed", "16-mixed"), (False, "gpu", "bf16-mixed", "bf16-mixed"),
    ):  # fmt: skip
        monkeypatch.setattr(fit_module, "has_bfloat16_units", lambda there=there: there)
        assert fit_module.usable_precision(configured, accelerator) == want
    monkeypatch.setattr(fit_module, "has_bfloat16_units", lambda: False)
    configure(tiny, ("epochs = 3", 'epochs = 1\nprecision = "bf16-mixed"'))
    caplog.clear()
    assert fit(tiny, "run") == 0
    assert "32-true in place of bf16-mixed" in caplog.text
    assert json.loads((tiny / "run" / "run.json").read_text())["precision"] == "32-true"
    caplog.clear()
    assert fit(tiny, "other", "--precision", "bf16-mixed") == 0
    assert not caplog.text
    assert json.loads((tiny / "other" / "run.json").read_text())["precision"] == "bf16-mixed"
    assert command.main(["ship", str(tiny / "other")]) == 0
    assert "Mixed precision rounds differently" in (tiny / "other" / "tiny.md").read_text()
