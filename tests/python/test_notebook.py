"""What notebooks show of engines and results: facts in words, names as text."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import pyengine


def test_engine_and_info_show_the_same(membranes) -> None:
    html = membranes._repr_html_()
    assert html == membranes.info._repr_html_()
    for words in ("em-membranes", "membrane", "rgb(255,64,64)", "1 channel,", "halo", "parameters"):
        assert words in html, words


def test_names_are_escaped(make_engine, tmp_path) -> None:
    hostile = "<script>x</script>"
    engine = make_engine(torch.nn.Conv2d(1, 2, 1), (1, 1, 8, 8), classes=["a", hostile])
    assert hostile not in engine._repr_html_()
    assert "&lt;script&gt;" in engine._repr_html_()
    result = pyengine.Classification(hostile, 1, np.array([0.25, 0.75], np.float32), ("a", hostile))
    html = result._repr_html_()
    assert "<script>" not in html
    assert html.index("0.7500") < html.index("0.2500")  # the likeliest first


def test_plans_and_reports_show(membranes, tmp_path) -> None:
    assert "of what more memory would allow" in membranes.plan(512, 512)._repr_html_()
    net = torch.nn.Conv2d(1, 2, 1)
    report = pyengine.build(net, tmp_path / "a.pyengine", sample_shape=(1, 1, 8, 8))
    assert "Parity: passed" in report._repr_html_()


def test_show_draws_the_classes(membranes, tmp_path) -> None:
    image = np.array([[0, 100], [100, 100]], np.uint8)
    labels = np.array([[0, 1], [0, 0]], np.uint8)
    picture = pyengine.show(image, labels, membranes.info)
    # 0.45 of the white pixel and 0.55 of (255, 64, 64)
    assert picture.pixels.tolist() == [[[0, 0, 0], [255, 150, 150]], [[255] * 3, [255] * 3]]
    assert Image.open(io.BytesIO(picture._repr_png_())).size == (2, 2)
    picture.save(tmp_path / "p.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "p.png")), picture.pixels)
    large = pyengine.show(np.zeros((3000, 10)), np.zeros((3000, 10), int), membranes.info)
    assert Image.open(io.BytesIO(large._repr_png_())).size == (4, 1000)


@pytest.mark.parametrize(
    ("image", "labels", "words"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3), int), r"\(2, 3\) and \(2, 2\)"),
        (np.zeros((2, 2)), np.full((2, 2), 2), "from 0 to 1"),
        (np.zeros((2, 2)), np.full((2, 2), -1), "from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(membranes, image, labels, words) -> None:
    with pytest.raises(ValueError, match=words):
        pyengine.show(image, labels, membranes.info)
