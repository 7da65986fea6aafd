"""One self-contained HTML page about a training run."""

from train.report.page import write_report

__all__ = ["write_report"]
