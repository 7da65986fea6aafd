"""Tasks: several classes from phantoms to the report, and what each task counts and refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from conftest import ROOT
from sklearn import metrics as sklearn

import pyengine
from pyengine.phantoms import LAYERS
from train import __main__ as command
from train.config import load_config
from train.data.normalization import Normalization
from train.data.sample import Sample
from train.data.store import Store, pack
from train.metrics.shifts import best_shifts
from train.models import UNetConfig, build_network
from train.settings import LossConfig, SplitConfig
from train.systems import SYSTEMS, find_system
from train.tasks import TASKS, Membranes, MultiClass, Truth, TwoClass, WholeImage
from train.tasks.two_class import best_threshold

CLASSES = ("outside", *LAYERS)


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """A run of oct-layers, small and short, shipped and reported."""
    folder = tmp_path_factory.mktemp("layers")
    text = (ROOT / "train" / "configs" / "oct-layers.toml").read_text()
    for old, new in (
        ("depth = 4", "depth = 3"), ("phantoms = 100", "phantoms = 15"),
        ("patch = 128", "patch = 64"), ("patches_per_epoch = 160", "patches_per_epoch = 80"),
        ("ema_decay = 0.99", "ema_decay = 0.8"), ("warmup_steps = 20", "warmup_steps = 4"),
        ("epochs = 12", "epochs = 12\nworkers = 0"), ("bf16-mixed", "32-true"),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    (folder / "tiny.toml").write_text(text)
    torch.set_num_threads(1)
    run = folder / "run"
    fit = ["fit", str(folder / "tiny.toml"), "-o", str(run), "--accelerator", "cpu"]
    assert command.main(fit) == 0
    assert command.main(["ship", str(run)]) == 0
    assert command.main(["report", str(run)]) == 0
    return folder


def test_seven_layers_are_learned_and_scored_class_by_class(layers, capsys) -> None:
    record = json.loads((layers / "run" / "tiny.json").read_text())
    scores = record["parts"]["validation"]["scores"]
    per_class = [scores[f"dice/{name}"] for name in LAYERS]
    assert scores["dice"] == pytest.approx(np.mean(per_class), abs=1e-4)
    assert scores["dice"] > 0.7  # after 240 steps; at random below 0.1
    assert scores["accuracy"] > 0.8
    table = np.array(record["parts"]["validation"]["confusion"])
    assert table.shape == (8, 8)
    assert table.sum() == 3 * 248 * 256
    for k, name in enumerate(LAYERS, 1):
        dice = 2 * table[k, k] / (table[k].sum() + table[:, k].sum())
        assert scores[f"dice/{name}"] == pytest.approx(dice, abs=1e-4)
        assert f"dice/{name}" in record["parts"]["validation"]["intervals"]
    capsys.readouterr()
    where = [str(layers / "tiny.toml"), "--data", str(layers / "run" / "data.h5")]
    engine = ["--engine", str(layers / "run" / "tiny.pyengine")]
    assert command.main(["evaluate", *where, *engine, "--part", "test"]) == 0
    printed = capsys.readouterr().out
    assert all(f"dice/{name}" in printed for name in LAYERS)


def test_the_engine_answers_in_all_classes(layers) -> None:
    engine = pyengine.Engine(layers / "run" / "tiny.pyengine")
    assert engine.info.classes == CLASSES
    assert len(engine.info.provenance["calibrated_shifts"]) == len(CLASSES)
    assert engine.info.provenance["metrics"]["validation"]["dice/RPE"] > 0.3
    image = pyengine.phantoms.oct_phantom(248, 256, "NORMAL", seed=99)
    labels = engine.segment(image.image)
    assert set(np.unique(labels)) <= set(range(8))
    assert (labels == image.layers).mean() > 0.7


def test_report_and_card_name_every_class(layers) -> None:
    page = (layers / "run" / "report.html").read_text(encoding="utf-8")
    card = (layers / "run" / "tiny.md").read_text()
    for name in LAYERS:
        for text in (page, card):
            for score in ("Dice (F1)", "Sensitivity", "Precision"):
                assert f"{score}, {name}" in text
        assert f"{name}, area 0." in page or f"{name}, area 1." in page  # its curves
        assert page.count(f">{name}</text>") == 2  # rows and columns of the confusion matrix
    assert "The publication states" not in page
    assert "The images are synthetic" in page
    assert "data:image/gif;base64," in page
    assert "task | segmentation; 0 = outside, 1 = nerve fibres" in card
    assert "the structures' biases were moved to the best dice on training images" in card


def one_hot(label: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[label].transpose(2, 0, 1)


def test_multi_class_scores_by_hand() -> None:
    """Class 1: TP 1, FP 1, FN 1. Class 2: TP 2, FN 1. Class 3: nowhere."""
    label = np.array([[0, 0, 1, 1, 2, 2, 2]])
    answer = np.array([[0, 1, 1, 0, 2, 2, 0]])
    tally = MultiClass(("a", "b", "c", "d")).tally()
    case = tally.add(one_hot(answer, 4), Truth(label.astype(np.uint8)))
    assert case == {"dice": pytest.approx((2 / 4 + 4 / 5) / 2), "foreground_px": 5}
    scores = tally.scores()
    assert scores["dice/b"] == pytest.approx(2 / 4)
    assert scores["dice/c"] == pytest.approx(4 / 5)
    assert np.isnan(scores["dice/d"])  # not there and not found: no perfect result
    assert scores["dice"] == scores["dice_per_image"] == pytest.approx((2 / 4 + 4 / 5) / 2)
    assert scores["sensitivity/c"] == pytest.approx(2 / 3)
    assert scores["precision/b"] == pytest.approx(1 / 2)
    assert scores["accuracy"] == pytest.approx(4 / 7)
    assert scores["brier"] == pytest.approx(2 * 3 / 7)
    assert tally.confusion() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert list(tally.curves()) == ["b", "c"]
    assert tally.second_observer() == {}


def test_multi_class_agrees_with_scikit_learn_and_with_two_classes() -> None:
    rng = np.random.default_rng(0)
    tally, two = MultiClass(("a", "b", "c")).tally(), TwoClass(("a", "b")).tally()
    labels, probabilities = [], []
    for _ in range(3):
        label = rng.integers(0, 3, (20, 30)).astype(np.uint8)
        probability = rng.dirichlet((1, 1, 1), (20, 30)) + one_hot(label, 3).transpose(1, 2, 0)
        probability = (probability / probability.sum(2, keepdims=True)).transpose(2, 0, 1)
        region = rng.uniform(size=label.shape) < 0.8
        tally.add(probability, Truth(label, region))
        labels.append(label[region])
        probabilities.append(probability[:, region])
    y, p = np.concatenate(labels), np.concatenate(probabilities, axis=1)
    scores = tally.scores()
    f1 = sklearn.f1_score(y, p.argmax(0), average=None)
    assert [scores["dice/b"], scores["dice/c"]] == pytest.approx(f1[1:])
    assert scores["roc_auc/c"] == pytest.approx(sklearn.roc_auc_score(y == 2, p[2]), abs=1e-3)
    assert tally.confusion() == sklearn.confusion_matrix(y, p.argmax(0)).tolist()
    # With two classes both tasks say the same of class 1.
    tally = MultiClass(("a", "b")).tally()
    for _ in range(2):
        label = rng.integers(0, 2, (9, 11)).astype(np.uint8)
        b = rng.uniform(size=label.shape)
        for each in (tally, two):
            each.add(np.stack([1 - b, b]), Truth(label, None, 1 - label))
    for name in ("dice", "sensitivity", "precision", "iou", "roc_auc", "pr_auc"):
        assert tally.scores()[f"{name}/b"] == pytest.approx(two.scores()[name])
    assert tally.confusion() == two.confusion()
    assert tally.resampled([0, 0])["dice/b"] == pytest.approx(two.resampled([0, 0])["dice"])
    assert tally.second_observer()["dice"] == two.second_observer()["dice"] == 0


def test_scores_that_choose_a_checkpoint() -> None:
    label = np.zeros((30, 30), np.uint8)
    label[:, 14] = 1
    tally = Membranes(("interior", "membrane")).tally()
    tally.add(one_hot(label, 2), Truth(label))
    assert tally.monitored()["v_rand"] == tally.scores()["v_rand"] == 1
    assert tally.resampled([0])["v_info"] == tally.scores()["v_info"] == 1
    images = WholeImage(("a", "b")).tally()
    case = images.add(np.array([0.75, 0.25]), Truth(np.array(1, np.uint8)))
    assert case == {"reference": "b", "answer": "a", "probability": 0.25}
    assert images.monitored() == {"accuracy": 0, "validation_loss": pytest.approx(np.log(4))}


def test_thresholds_and_shifts_find_the_best_labels() -> None:
    """Logits that are off by known constants: the shifts take them back."""
    # Ten equal bins; positives from 0.3 on.
    negative, positive = np.array([9, 9, 9] + [0] * 7), np.array([0, 0, 0] + [5] * 7)
    for goal in ("accuracy", "dice"):
        assert best_threshold(negative, positive, goal) == pytest.approx(0.3)
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 2000)
    logits = 3.0 * np.eye(4)[label] + rng.uniform(0, 0.5, (2000, 4))
    for goal in ("accuracy", "dice"):
        assert best_shifts(logits, label, goal).tolist() == [0, 0, 0, 0]
        wrong = logits - [0, 4, -3.5, 0]
        assert (wrong.argmax(1) == label).mean() < 0.6
        shifts = best_shifts(wrong, label, goal)
        assert shifts[0] == 0
        assert ((wrong + shifts).argmax(1) == label).all()
    # A class that is not there gains nothing from a shift.
    assert best_shifts(logits, np.minimum(label, 2), "dice").shape == (4,)


def test_every_system_has_a_task_and_its_scores_have_titles() -> None:
    for system in SYSTEMS.values():
        task = system.make_task()
        assert type(task) is TASKS[system.task]
        assert len(system.colors) == len(system.classes)
        titles = task.score_titles()
        assert set(system.key_scores) <= set(titles)
        assert len({t.full for t in titles.values()}) == len(titles)
        assert set(system.published_scores) <= set(titles)


def test_tasks_refuse_networks_and_losses_of_others() -> None:
    layers = load_config("oct-layers")
    task = find_system("oct-layers").make_task()
    task.check(layers)
    for changes, message in (
        ({"network": dataclasses.replace(layers.network, classes=2)}, "classes is 2, .* has 8"),
        ({"network": dataclasses.replace(layers.network, classes=1)}, "classes is 1, .* has 8"),
        ({"network": load_config("oct-classes-cnn5").network}, "kind 'classifier' does not do"),
        ({"loss": LossConfig("bce")}, "loss.name 'bce' is for two classes, oct-layers has 8"),
    ):
        with pytest.raises(ValueError, match=message):
            task.check(dataclasses.replace(layers, **changes))
    two = find_system("oct-fluid").make_task()
    fluid = load_config("oct-fluid")
    one_output = dataclasses.replace(fluid.network, classes=1)
    two.check(dataclasses.replace(fluid, network=one_output, loss=LossConfig("bce")))
    with pytest.raises(ValueError, match="cross_entropy.* needs two outputs, network.classes is 1"):
        two.check(dataclasses.replace(fluid, network=one_output))


def test_phantoms_only_where_there_are_some(tmp_path, capsys) -> None:
    text = (ROOT / "train" / "configs" / "oct-layers.toml").read_text()
    for name, changed, more, message in (
        ("a", text.replace('"oct-layers"', '"oct-fluid"'), [], "there are no phantoms of oct-fluid"),
        ("b", text, ["--root", str(tmp_path)], "oct-layers has phantoms only"),
        ("c", text.replace("phantoms = 100", ""), [], "oct-layers has phantoms only"),
    ):  # fmt: skip
        (tmp_path / f"{name}.toml").write_text(changed)
        out = ["-o", str(tmp_path / name)]
        assert command.main(["fit", str(tmp_path / f"{name}.toml"), *out, *more]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["two_class", "multi_class"])
def test_calibration_sees_images_as_the_network_is_shown_them(tmp_path, name) -> None:
    classes = ("a", "b")
    label = np.zeros((32, 40), np.uint8)
    label[8:20] = 1
    samples = [Sample(str(i), str(i), 100 * label, label) for i in range(2)]
    pack(samples, tmp_path / "x.h5", "s", classes, SplitConfig(validation=("1",)))
    fluid = load_config("oct-fluid")
    config = dataclasses.replace(
        fluid,
        network=UNetConfig(1, 2, base_width=2, depth=1, padding="same"),
        data=dataclasses.replace(fluid.data, resize=(16, 20)),
        trainer=dataclasses.replace(fluid.trainer, calibrate="dice"),
    )
    task = TASKS[name](classes)
    seen = []

    def by_network(network, config, image):
        seen.append(tuple(image.shape))
        return one_hot((image[0].numpy() > 50).astype(int), 2)

    task.by_network = by_network
    network = build_network(config.network).eval()
    before = network.head.bias.detach().clone()
    result = task.calibrated(
        network, config, Store(tmp_path / "x.h5", "s"), Normalization([0.0], [1.0])
    )
    assert seen == [(1, 16, 20)]
    assert result.network is network
    (change,) = result.provenance.values()
    if name == "multi_class":  # nothing to gain
        assert change == [0, 0]
        assert torch.equal(network.head.bias, before)
