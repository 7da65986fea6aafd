"""Which formats can be read and written here: `pyengine info --formats`."""

from __future__ import annotations

from pyengine.formats import Format, registry


def print_formats() -> None:
    """One line per format, and one for each library that is missing."""
    rows = [("format", "reads", "writes", "here")]
    for one in registry.FORMATS:
        missing = any(not library.is_here() and not library.for_what for library in one.libraries)
        partly = any(not library.is_here() for library in one.libraries)
        here = "no" if missing else "partly" if partly else "yes"
        rows.append((one.title, _listed(one.suffixes), _listed(one.written_suffixes), here))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        columns = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False))
        print("  ".join((*columns, row[3])))
    missing_lines = [line for one in registry.FORMATS for line in _missing(one)]
    if missing_lines:
        print()
    for line in missing_lines:
        print(line)


def _listed(suffixes: tuple[str, ...]) -> str:
    return " ".join(suffixes) or "-"


def _missing(one: Format) -> list[str]:
    return [
        f"{one.title}: {library.for_what or 'reading it'} needs {', '.join(library.modules)}: "
        f"{library.how}"
        for library in one.libraries
        if not library.is_here()
    ]
