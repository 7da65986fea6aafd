"""Whole runs on tiny data: resume, early stop, evaluation, shipping, the table."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys

import fake_data
import pytest
import torch
from conftest import ROOT

import pyengine
from train import __main__ as command
from train import results
from train.config import load_config
from train.data.normalization import normalization
from train.data.patches import EpochSampler, TrainingPairs
from train.data.store import Store
from train.evaluate import evaluate
from train.prepare import prepare
from train.report.page import read_history
from train.subject import open_checkpoint, open_engine

TINY = """
system = "em-membranes"
seed = 7
[split]
validation = ["4"]
[network]
base_width = 2
depth = 2
dropout = 0.2
padding = "{padding}"
[data]
patch = 24
patches_per_epoch = 4
[augmentation]
zoom = [0.9, 1.1]
elastic_px = 3
noise = 0.1
flip_horizontal = true
[loss]
border_w0 = 4.0
[trainer]
epochs = 3
batch_size = 2
workers = 0
ema_decay = 0.5
monitor = "accuracy"
calibrate = "accuracy"
"""


@pytest.fixture
def tiny(tmp_path):
    """A configuration file and a data set to go with it."""
    fake_data.isbi2012(tmp_path / "isbi")
    (tmp_path / "tiny.toml").write_text(TINY.format(padding="same"))
    torch.set_num_threads(1)
    return tmp_path


def fit(folder, out, *more) -> int:
    return command.main(
        ["fit", str(folder / "tiny.toml"), "--root", str(folder / "isbi"), "-o", str(folder / out),
         "--accelerator", "cpu", *more]
    )  # fmt: skip


def test_two_processes_share_the_steps_of_one_run(tiny) -> None:
    run = [
        sys.executable, "-m", "train", "fit", str(tiny / "tiny.toml"), "--root", str(tiny / "isbi"),
        "-o", str(tiny / "two"), "--accelerator", "cpu", "--strategy", "ddp", "--devices", "2",
    ]  # fmt: skip
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "sync_dist" not in done.stderr
    # 4 patches an epoch in batches of 2 for each of two processes: one step.
    last = torch.load(tiny / "two" / "last.ckpt", map_location="cpu", weights_only=True)
    assert (last["epoch"], last["global_step"]) == (2, 3)
    config = load_config(str(tiny / "tiny.toml"))
    network = open_checkpoint(tiny / "two" / "best.pt", "em-membranes", config.data)
    store = Store(tiny / "two" / "data.h5", "em-membranes")
    assert 0 < evaluate(network, store, "validation")["scores"]["accuracy"] < 1


def test_items_depend_on_seed_and_number_alone(tiny) -> None:
    config = load_config(str(tiny / "tiny.toml"))
    prepare(config, tiny / "isbi", tiny / "x.h5")
    store = Store(tiny / "x.h5", "em-membranes")
    pairs, again = (TrainingPairs(store, config, normalization(store, config)) for _ in range(2))
    for number in (9, 2, 9):
        for key, value in pairs[number].items():
            assert torch.equal(value, again[number][key])
    assert not torch.equal(pairs[1]["image"], pairs[5]["image"])
    assert pairs[0]["label"].shape == pairs[0]["weight"].shape == (24, 24)
    assert pairs[0]["weight"].max() > 1  # the border weights
    # Every image once before any comes again.
    ranks = [list(EpochSampler(6, rank, 2)) for rank in (0, 1)]
    assert sorted(ranks[0] + ranks[1]) == list(range(6))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_fit_resumes_bit_identically(tiny, padding, monkeypatch) -> None:
    """Three epochs at once, and one, a kill in the second, and the rest, give the same weights."""
    (tiny / "tiny.toml").write_text(TINY.format(padding=padding))
    assert fit(tiny, "whole") == 0
    from train.module import TrainingModule

    step = TrainingModule.training_step
    calls = []

    def killed(self, batch, index):
        calls.append(index)
        if len(calls) == 4:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            fit(tiny, "parts")
    assert not (tiny / "parts" / "best.pt").exists()
    assert fit(tiny, "parts", "--resume") == 0
    states = []
    for out in ("whole", "parts"):
        state = torch.load(tiny / out / "last.ckpt", weights_only=True)
        assert (state["epoch"], state["global_step"]) == (2, 6)
        assert [e for e, _ in read_history(tiny / out)["accuracy"]] == [1, 2, 3]
        states.append(state)
    for kind in ("state_dict", "current_model_state"):
        for key, value in states[0][kind].items():
            assert torch.equal(value, states[1][kind][key]), key
    best = [
        torch.load(tiny / out / "best.pt", weights_only=True)["weights"]
        for out in ("whole", "parts")
    ]
    assert all(torch.equal(best[0][k], best[1][k]) for k in best[0])


def test_a_run_leaves_its_record(tiny) -> None:
    assert fit(tiny, "run") == 0
    record = json.loads((tiny / "run" / "run.json").read_text())
    assert record["subjects"] == {"train": ["1", "2", "3"], "validation": ["4"], "test": []}
    assert record["epochs"] == 3
    assert 1 <= record["best_epoch"] <= 3
    assert record["seconds"] > 0
    assert len(read_history(tiny / "run")["accuracy"]) == 3
    assert len(list((tiny / "run" / "progress").glob("*.png"))) == 3


def test_frozen_norms_keep_their_statistics(tiny) -> None:
    text = TINY.format(padding="same").replace("[trainer]", "[trainer]\nfreeze_norms = true")
    (tiny / "tiny.toml").write_text(text)
    assert fit(tiny, "run", "--epochs", "1") == 0
    weights = torch.load(tiny / "run" / "best.pt", weights_only=True)["weights"]
    means = [v for k, v in weights.items() if k.endswith("running_mean")]
    assert means
    assert not any(v.any() for v in means)
    scales = [v for k, v in weights.items() if k.endswith("1.weight")]
    assert any((v != 1).any() for v in scales)  # what batch norm learns, it goes on learning


def test_images_are_shown_at_each_width(tiny, capsys) -> None:
    text = TINY.format(padding="same").replace("[data]", "[data]\nreference_widths = [32, 80]")
    (tiny / "tiny.toml").write_text(text)
    assert fit(tiny, "run", "--epochs", "1") == 0
    config = load_config(str(tiny / "tiny.toml"))
    store = Store(tiny / "run" / "data.h5", "em-membranes")
    own = store.image(0).shape[1]
    pairs = TrainingPairs(store, config, normalization(store, config))
    for number in range(8):
        pairs[number]
    assert sorted(pairs._pipelines) == [32 / own, 80 / own]
    assert command.main(["ship", str(tiny / "run")]) == 0
    record = json.loads((tiny / "run" / "tiny.json").read_text())
    assert list(record["parts"]) == ["validation", "validation, 32 px", "validation, 80 px"]
    assert "brought to 80 px width" in (tiny / "run" / "tiny.md").read_text()
    assert command.main(["report", str(tiny / "run")]) == 0
    capsys.readouterr()
    evaluate_32 = ["evaluate", str(tiny / "tiny.toml"), "--data", str(tiny / "run" / "data.h5"),
                   "--engine", str(tiny / "run" / "tiny.pyengine"), "--width"]  # fmt: skip
    assert command.main([*evaluate_32, "32", "-o", str(tiny / "x.json")]) == 0
    result = json.loads((tiny / "x.json").read_text())
    stated = record["parts"]["validation, 32 px"]["scores"]
    assert result["scores"]["accuracy"] == pytest.approx(stated["accuracy"], abs=1e-4)
    pixels = sum(sum(row) for row in result["confusion"])
    assert pixels == result["images"] * 32 * round(store.image(0).shape[0] * 32 / own)
    capsys.readouterr()
    assert command.main([*evaluate_32, "0"]) == 2
    assert "width must be at least 1 px, got 0" in capsys.readouterr().err


def test_the_engine_scores_as_the_checkpoint(tiny) -> None:
    """Two independent ways to the same scores: PyTorch behind the tiler, and the CPU engine."""
    assert fit(tiny, "run") == 0
    assert command.main(["ship", str(tiny / "run")]) == 0
    config = load_config(str(tiny / "tiny.toml"))
    store = Store(tiny / "run" / "data.h5", "em-membranes")
    by_engine = evaluate(open_engine(tiny / "run" / "tiny.pyengine", config.data), store)
    by_torch = evaluate(
        open_checkpoint(tiny / "run" / "best.pt", "em-membranes", config.data), store
    )
    assert by_torch["kind"] == "checkpoint"
    for name, value in by_torch["scores"].items():
        if name.startswith("v_"):  # one pixel may join two cells
            continue
        assert by_engine["scores"][name] == pytest.approx(value, abs=5e-3, nan_ok=True), (
            name
        )  # float16 weights
    info = pyengine.Engine(tiny / "run" / "tiny.pyengine").info
    stated = info.provenance["metrics"]["validation"]
    assert stated["accuracy"] == pytest.approx(by_engine["scores"]["accuracy"], abs=1e-4)
    card = (tiny / "run" / "tiny.md").read_text()
    assert f"| Accuracy | {stated['accuracy']:.4f} |" in card
    record = json.loads((tiny / "run" / "tiny.json").read_text())
    text = f"intro\n{results._BEGIN}\nold\n{results._END}\nend"
    page = results.page_with(text, [record])
    assert "old" not in page
    assert f"accuracy {stated['accuracy']:.4f}" in page
    assert page.endswith("\nend")


def test_patience_stops_early(tiny) -> None:
    text = TINY.format(padding="same").replace("epochs = 3", "epochs = 50\npatience = 2")
    # Without learning nothing improves after the first validation.
    (tiny / "tiny.toml").write_text(text + "[optimizer]\nlearning_rate = 0.0\nweight_decay = 0.0\n")
    assert fit(tiny, "run") == 0
    assert json.loads((tiny / "run" / "run.json").read_text())["epochs"] <= 6


def test_learning_learns(tiny) -> None:
    """Twenty epochs on membranes that are plainly darker: nearly all pixels right."""
    text = TINY.format(padding="same").replace("base_width = 2", "base_width = 4")
    text = text.replace("patches_per_epoch = 4", "patches_per_epoch = 16")
    (tiny / "tiny.toml").write_text(
        text.replace("epochs = 3", "epochs = 20") + "[optimizer]\nlearning_rate = 0.02\n"
    )
    assert fit(tiny, "run") == 0
    metrics = torch.load(tiny / "run" / "best.ckpt", weights_only=True)
    best = next(v for k, v in metrics["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert float(best["best_model_score"]) > 0.93


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("loss", ["bce", "mse", "dice"])
def test_published_losses_and_optimisers_run(tiny, optimizer, loss) -> None:
    text = TINY.format(padding="same").replace("[loss]", f'[loss]\nname = "{loss}"')
    text = text.replace("base_width = 2", f"base_width = 2\nclasses = {2 if loss == 'dice' else 1}")
    text = text.replace("epochs = 3", "epochs = 1") + f'[optimizer]\nname = "{optimizer}"\n'
    if loss == "mse":
        text = text.replace('calibrate = "accuracy"', "").replace(
            "[data]", '[data]\npreprocessing = "rescale"'
        )
        text = text.replace("base_width = 2", 'base_width = 2\noutput = "relu"')
    (tiny / "tiny.toml").write_text(text)
    assert fit(tiny, "run") == 0
    assert command.main(["ship", str(tiny / "run")]) == 0


def test_adjacent_slices_train_and_run(tiny) -> None:
    text = TINY.format(padding="same").replace("patch = 24", "patch = 24\nadjacent = 3")
    text = text.replace("base_width = 2", "base_width = 2\nin_channels = 3").replace(
        "epochs = 3", "epochs = 1"
    )
    (tiny / "tiny.toml").write_text(text)
    assert fit(tiny, "run") == 0
    assert command.main(["ship", str(tiny / "run")]) == 0
    assert pyengine.Engine(tiny / "run" / "tiny.pyengine").info.input["channels"] == 3


def test_a_classifier_from_phantoms_to_the_command_line(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PYENGINE_DATA", str(tmp_path / "data"))
    fake_data.kermany2018(tmp_path / "data" / "kermany2018")
    torch.set_num_threads(1)
    text = (ROOT / "train" / "configs" / "oct-classes-cnn5.toml").read_text()
    text = text.replace("phantoms = 2000", "phantoms = 40").replace("[128, 128]", "[64, 64]")
    text = re.sub(r"epochs = \d+", "epochs = 1", text) + "workers = 0\n"
    (tmp_path / "tiny.toml").write_text(text)
    run = tmp_path / "run"
    assert (
        command.main(["fit", str(tmp_path / "tiny.toml"), "-o", str(run), "--accelerator", "cpu"])
        == 0
    )
    assert command.main(["ship", str(run)]) == 0
    record = json.loads((run / "tiny.json").read_text())
    assert set(record["parts"]) == {"validation", "test", "real"}
    assert record["parts"]["test"]["images"] == 8
    assert "synthetic" in (run / "tiny.md").read_text()
    capsys.readouterr()
    # The checkpoint behind PyTorch scores like the engine file.
    where = [str(tmp_path / "tiny.toml"), "--data", str(run / "data.h5"), "--part", "test"]
    assert command.main(["evaluate", *where, "--checkpoint", str(run / "best.pt")]) == 0
    accuracy = re.search(r"accuracy\s+(0\.\d+|1\.0+)", capsys.readouterr().out)
    assert abs(float(accuracy[1]) - record["parts"]["test"]["scores"]["accuracy"]) <= 1 / 8
    from pyengine.cli import main

    images = tmp_path / "data" / "kermany2018" / "val"
    assert main(["classify", str(images), "--engine", str(run / "tiny.pyengine")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all(re.search(r"\t(CNV|DME|DRUSEN|NORMAL)\tCNV=0\.\d+", line) for line in lines)
    # The real data set, from a folder, by the same command.
    out = tmp_path / "real"
    assert command.main(
        [
            "fit",
            str(tmp_path / "tiny.toml"),
            "--root",
            str(tmp_path / "data" / "kermany2018"),
            "-o",
            str(out),
        ]
    ) in (0, 2)  # eight training images may leave no patient for validation
    store_error = capsys.readouterr().err
    assert (out / "best.pt").is_file() or "no subject" in store_error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("base_width = 2", "base_width = 2\nin_channels = 3"),
            "in_channels is 3, the images have 1",
        ),
        (
            ("base_width = 2", "base_width = 2\nclasses = 5"),
            "network.classes is 5, the system has 2",
        ),
        (('validation = ["4"]', 'validation = ["99"]'), "no subject of"),
        (('validation = ["4"]', 'validation = ["1", "2", "3", "4"]'), "no training image"),
        (("[network]", '[network]\nkind = "tree"'), "kind must be one of"),
        (('monitor = "accuracy"', 'monitor = "beauty"'), "beauty"),
    ],
)
def test_fit_refuses(tiny, capsys, change, message) -> None:
    (tiny / "tiny.toml").write_text(TINY.format(padding="same").replace(*change))
    assert fit(tiny, "run") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_evaluate_refuses(tiny, capsys) -> None:
    assert fit(tiny, "run") == 0
    capsys.readouterr()
    toml, run = str(tiny / "tiny.toml"), tiny / "run"
    data = ["--data", str(run / "data.h5")]
    assert command.main(["evaluate", toml, *data, "--checkpoint", str(run / "data.h5")]) == 2
    assert "not a checkpoint" in capsys.readouterr().err
    assert (
        command.main(
            ["evaluate", toml, *data, "--checkpoint", str(run / "best.pt"), "--part", "test"]
        )
        == 2
    )
    assert "holds no test image" in capsys.readouterr().err
    other = toml.replace("tiny.toml", "other.toml")
    shutil.copy(toml, other)
    (tiny / "other.toml").write_text(
        TINY.format(padding="same").replace("em-membranes", "oct-fluid")
    )
    assert command.main(["evaluate", other, *data, "--checkpoint", str(run / "best.pt")]) == 2
    assert "expected one of 'oct-fluid'" in capsys.readouterr().err
    assert (
        command.main(
            [
                "evaluate",
                toml,
                *data,
                "--checkpoint",
                str(run / "best.pt"),
                "-o",
                str(tiny / "s.json"),
            ]
        )
        == 0
    )
    assert "95 % interval" not in capsys.readouterr().out  # one image
    assert json.loads((tiny / "s.json").read_text())["images"] == 1
    assert command.main(["report", str(tiny / "nothing")]) == 2
    assert "run.json: missing" in capsys.readouterr().err


def test_full_disk_during_training(tiny) -> None:
    """A limit on the size of files: one clear error, the older state of training intact."""
    assert fit(tiny, "run", "--epochs", "1") == 0
    before = (tiny / "run" / "last.ckpt").read_bytes()
    limit = len(before) // 2
    done = subprocess.run(
        [sys.executable, "-m", "train", "fit", tiny / "tiny.toml", "-o", tiny / "run", "--resume",
         "--accelerator", "cpu"],
        cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "train: [Errno 27]" in done.stderr, done.stderr
    assert (tiny / "run" / "last.ckpt").read_bytes() == before


def test_the_table_of_results_is_the_scripts() -> None:
    text = results.TABLE.read_text()
    assert results.page_with(text, results.read_records()) == text
