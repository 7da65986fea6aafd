"""One self-contained HTML page about a folder of results."""

from __future__ import annotations

from pyengine.report.page import write_report

__all__ = ["write_report"]
