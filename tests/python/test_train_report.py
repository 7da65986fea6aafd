"""The report page, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import fake_data
import pytest
import torch
from test_train_fit import TINY

from train import __main__ as command

pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """Report of a tiny run."""
    folder = tmp_path_factory.mktemp("report")
    fake_data.isbi2012(folder / "isbi")
    (folder / "tiny.toml").write_text(TINY.format(padding="same"))
    torch.set_num_threads(1)
    fit = [
        "fit",
        str(folder / "tiny.toml"),
        "--root",
        str(folder / "isbi"),
        "-o",
        str(folder / "run"),
    ]
    assert command.main([*fit, "--accelerator", "cpu"]) == 0
    assert command.main(["ship", str(folder / "run")]) == 0
    assert command.main(["report", str(folder / "run")]) == 0
    return folder / "run" / "report.html"


@pytest.mark.parametrize("width", [1280, 400])
def test_page_works(browser, page_file, width) -> None:
    """No message in the console, all pictures there, sliders move, nothing wider than the screen."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda r: None if re.match("data:|file:", r.url) else complaints.append(r.url)
    )
    page.goto(page_file.as_uri())
    images = page.evaluate("() => [...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert len(images) >= 10
    assert all(images)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('p, td, th, figcaption, b')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    # Number cells stay on one line, also on a telephone.
    assert page.evaluate(
        "() => [...document.querySelectorAll('table.scores b')].every(e => e.getClientRects().length == 1)"
    )
    for stage, slider in zip(
        page.query_selector_all(".stage"), page.query_selector_all("input[type=range]"), strict=True
    ):
        answer = stage.query_selector(".answer")
        cuts = []
        for value in ("10", "90"):
            slider.fill(value)
            cuts.append(answer.evaluate("e => getComputedStyle(e).clipPath"))
        assert cuts == ["inset(0px 0px 0px 10%)", "inset(0px 0px 0px 90%)"]
    page.query_selector("input[type=checkbox]").check()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.stage .answer')).visibility")
        == "hidden"
    )
    assert not complaints
    page.close()


def test_page_is_self_contained_and_says_what_it_shows(page_file) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    for words in (
        "not an independent test", "87 % pixel accuracy", "V-Rand, after thinning", "SHA-256",
        "Not a medical device", "data:image/gif;base64,", "Best", "Median", "Worst",
    ):  # fmt: skip
        assert words in text, words
