"""Small pieces of HTML, as notebooks show them; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

# Colours and fonts are the notebook's own, so that light and dark themes both work.
_CELL = "padding:.2em .7em;text-align:left;vertical-align:top;border:0"
_SMALL = "opacity:.7;font-size:.9em"


def html_table(names: Sequence[str], rows: Iterable[Sequence[Any]], note: str = "") -> str:
    """A table with a row of names, and a line below it."""
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    below = f'<div style="{_SMALL}">{escape(note)}</div>' if note else ""
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"


def _cells(row: Sequence[Any]) -> str:
    return "".join(f'<td style="{_CELL}">{escape(in_words(value))}</td>' for value in row)


def html_facts(title: str, facts: Iterable[tuple[str, Any]]) -> str:
    """A title, and pairs of name and value; values of `Markup` are HTML already."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">'
        f"{value.html if isinstance(value, Markup) else escape(in_words(value))}</td></tr>"
        for name, value in facts
    )
    return f"<div><b>{escape(title)}</b><table><tbody>{rows}</tbody></table></div>"


class Markup:
    """HTML that is made here, of escaped parts."""

    def __init__(self, html: str) -> None:
        self.html = html


def swatches(names: Sequence[str], colors: Sequence[tuple[int, int, int]]) -> Markup:
    """Names, each after a square of its colour."""
    square = "display:inline-block;width:.8em;height:.8em;border:1px solid #8888;margin-right:.35em"
    pairs = zip(names, colors, strict=True)
    return Markup(
        " ".join(
            f'<span style="margin-right:1em;white-space:nowrap"><span style="{square};'
            f'background:rgb({r},{g},{b})"></span>{escape(name)}</span>'
            for name, (r, g, b) in pairs
        )
    )


def bar(share: float) -> Markup:
    """A share from 0 to 1 as a bar and in figures."""
    width = min(max(share, 0.0), 1.0) * 10
    return Markup(
        f'<span style="display:inline-block;height:.7em;background:#0072b2;width:{width:.2f}em">'
        f"</span> {share:.4f}"
    )


def in_words(value: Any) -> str:
    """A value for people: few digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.5g}"
    return str(value)
