"""The page about a folder of results: what it says, in a real browser, and what it never runs."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from threshold_engine import threshold_engine

from pyengine.cli import main
from pyengine.report.plots import colored, grid, histogram

pytest.importorskip("skimage")
pytest.importorskip("jinja2")
pytest.importorskip("playwright.sync_api")

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ["background", "dim", "<script>alert(2)<"]


def image(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 40, (60, 90)).astype(np.uint8)
    for _ in range(6):
        y, x = rng.integers(0, 50, 2)
        out[y : y + 6, x : x + 6] = rng.choice([100, 200])
    return out


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Four images with hostile names, a volume with its maps, and a copy whose image is gone."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "in").mkdir()
    for number in range(4):
        Image.fromarray(image(number)).save(folder / "in" / f"{HOSTILE}{number}.png")
    volume = np.stack([image(9 + n) for n in range(5)])
    tifffile.imwrite(folder / "in" / "volume.tif", volume, photometric="minisblack")
    engine = threshold_engine(folder / "a.pyengine", CLASSES)
    arguments = [
        "segment", str(folder / "in"), "-o", str(folder / "out"), "-e", str(engine), "--measure",
        str(folder / "out" / "t.csv"), "--spacing", "1x0.004x0.06mm", "--volume", "--oct",
        "--laterality", "OS", "--overlay",
    ]  # fmt: skip
    assert main(arguments) == 0
    (folder / "in" / f"{HOSTILE}3.png").unlink()
    return folder / "out"


@pytest.fixture(scope="module")
def page_file(results) -> Path:
    assert main(["report", str(results)]) == 0
    return results / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_page_works(browser, page_file, width, scheme) -> None:
    """Nothing in the console, nothing asked for, nothing wider than the screen; sliders move."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on(
        "request", lambda r: None if re.match("data:|file:", r.url) else complaints.append(r.url)
    )
    page.goto(page_file.as_uri())
    loaded = page.evaluate("() => [...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert len(loaded) == 2 * 5 + 1 + 2  # pairs, en face, a map for each class
    assert all(loaded)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('p, td, th, figcaption, li, span')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    background, ink = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; }"
    )
    light, dark = (sum(map(int, re.findall(r"\d+", color)[:3])) for color in (background, ink))
    assert (light > dark) == (scheme == "light")
    assert abs(light - dark) > 500
    for stage, slider in zip(
        page.query_selector_all(".stage"), page.query_selector_all("input[type=range]"), strict=True
    ):
        cuts = []
        for value in ("10", "90"):
            slider.fill(value)
            labels = stage.query_selector(".labels")
            cuts.append(labels.evaluate("e => getComputedStyle(e).clipPath"))
        assert cuts == ["inset(0px 0px 0px 10%)", "inset(0px 0px 0px 90%)"]
    head = page.query_selector_all("thead button")[3]
    read = "() => [...document.querySelectorAll('tbody tr')].map(r => Number(r.cells[3].dataset.value))"
    head.click()
    assert page.evaluate(read) == sorted(page.evaluate(read))
    head.click()
    assert page.evaluate(read) == sorted(page.evaluate(read), reverse=True)
    assert not complaints
    page.close()


def test_names_are_text_and_never_markup(page_file) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "&lt;img src=x onerror=alert(1)&gt;0.png" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(2)&lt;" in text
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "default-src 'none'" in text


def test_page_says_what_is_there(page_file) -> None:
    text = page_file.read_text(encoding="utf-8")
    for words in (
        "volume.tif, from above", "ETDRS grid of 1, 3 and 6 mm", "temporal is to the right",
        "image not found", "Distributions", "page 3 of 5", "The last B-scan is up", "Not a medical device",
    ):  # fmt: skip
        assert words in text, words


def test_maps_lie_as_the_grid_does(results, page_file) -> None:
    """The last B-scan is the upper row of a map."""
    text = page_file.read_text(encoding="utf-8")
    (address,) = re.findall(r'src="(data:image/png[^"]+)" alt="thickness of dim"', text)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    maps = tifffile.imread(results / "volume.thickness.tif")[0]
    np.testing.assert_array_equal(shown, colored(maps[::-1], 0, np.ceil(maps.max())))


def test_moved_images_are_found(results, tmp_path, capsys) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(results, moved / "out")
    page = tmp_path / "p.html"
    assert main(["report", str(moved / "out"), "-o", str(page), "--most", "1"]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure>") == 1
    assert "4 more without a picture" in text
    Image.fromarray(image(3)).save(tmp_path / f"{HOSTILE}3.png")
    assert main(["report", str(results), "-o", str(page), "--images", str(tmp_path)]) == 0
    assert "image not found" not in page.read_text(encoding="utf-8")
    assert "wrote" in capsys.readouterr().out


def test_damaged_labels_are_one_line(results, tmp_path, capsys) -> None:
    shutil.copytree(results, tmp_path / "out")
    labels = tmp_path / "out" / "volume.tif"
    labels.write_bytes(labels.read_bytes()[:200])
    assert main(["report", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "volume.tif" in said
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Not shown" in text
    assert text.count("<figure>") == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "no labels that `pyengine segment` made"),
        (["out", "-o", "out/volume.tif"], "would replace the input"),
        (["out", "-o", "empty"], "is a folder"),
        (["out", "--most", "-1"], "--most must be at least 0"),
    ],
)
def test_what_is_no_report_is_refused(
    results, tmp_path, monkeypatch, capsys, arguments, words
) -> None:
    shutil.copytree(results, tmp_path / "out", ignore=shutil.ignore_patterns("report.html"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()


def test_objects_are_counted_of_classes_that_are_told_apart(tmp_path) -> None:
    Image.fromarray(image(0)).save(tmp_path / "a.png")
    engine = threshold_engine(tmp_path / "e.pyengine")
    arguments = ["segment", tmp_path / "a.png", "-o", tmp_path / "out" / "a.png", "-e", engine,
                 "--measure", tmp_path / "t.csv", "--object-classes", "background"]  # fmt: skip
    (tmp_path / "out").mkdir()
    assert main([str(a) for a in arguments]) == 0
    assert main(["report", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"background: [0-9.]+ % in \d+ object", text)
    assert re.search(r"dim: [0-9.]+ %\s*(<br>|</)", text)


def test_plots_hold_all_values() -> None:
    counts = [int(n) for n in re.findall(r": (\d+)</title>", histogram([1, 2, 3, 3, 9], "<a>"))]
    assert sum(counts) == 5
    assert "&lt;a&gt;" in histogram([5], "<a>")
    assert (
        sum(map(int, re.findall(r": (\d+)</title>", histogram([1, 10, 1e6], "a", log=True)))) == 3
    )
    fields = grid([float("nan"), *range(8)], [f"<{n}>" for n in range(9)])
    assert "&lt;0&gt;: not covered" in fields
    assert "&lt;8&gt;: 7" in fields
    ends = colored(np.array([0, 1, np.nan]), 0, 1).tolist()
    assert ends == [[68, 1, 84], [253, 231, 37], [128, 128, 128]]
