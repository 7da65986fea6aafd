"""Tables: named columns of equal length, and the files that hold them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyengine.atomic_file import write_atomically
from pyengine.html import html_table
from pyengine.measurements.extra import HOW

SUFFIXES = (".csv", ".json", ".parquet")
_SHOWN_ROWS = 20


@dataclass(frozen=True)
class Table:
    """Named columns of one length.

    Attributes
    ----------
    columns : mapping of str to ndarray, shape (rows,)
        Text (dtype str), whole numbers, float64, or objects: whole numbers of which some are not
        known. What is not known is NaN or None: an empty field in CSV, null in JSON and Parquet.
    """

    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as plain Python values; None for what is not known."""
        lists = [[_plain(value) for value in column.tolist()] for column in self.columns.values()]
        for values in zip(*lists, strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def with_first(self, name: str, value: str) -> Table:
        """The same with one more column in front, which holds one value."""
        return Table({name: np.full(len(self), value), **self.columns})

    def packed(self) -> dict[str, Any]:
        """As plain Python values, for JSON; see `unpacked`."""
        return {
            name: [column.dtype.kind, [_plain(value) for value in column.tolist()]]
            for name, column in self.columns.items()
        }

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``; needs pandas."""
        import pandas

        return pandas.DataFrame(dict(self.columns))

    def save(self, path: str | Path) -> None:
        """Write the table as CSV, JSON or Parquet, by the suffix; complete or absent."""
        save_tables(Path(path), [self])

    def _repr_html_(self) -> str:
        shown = [
            list(row.values()) for row, _ in zip(self.rows(), range(_SHOWN_ROWS), strict=False)
        ]
        more = f"{len(self)} rows" if len(self) > _SHOWN_ROWS else ""
        return html_table(list(self.columns), shown, more)


def from_rows(kinds: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table of columns of these kinds: "U" text, "i" and "f" numbers, "O" counts or None."""
    listed = list(rows)
    return Table({n: _column([row[n] for row in listed], kind) for n, kind in kinds.items()})


def unpacked(packed: Mapping[str, Any]) -> Table:
    """The table that `Table.packed` gave."""
    return Table({name: _column(values, kind) for name, (kind, values) in packed.items()})


def joined(tables: Sequence[Table]) -> Table:
    """Tables of the same columns, one below the other."""
    names = tables[0].columns
    return Table({name: np.concatenate([table[name] for table in tables]) for name in names})


def check_table_suffix(path: Path) -> None:
    """Refuse what no table is written as.

    Raises
    ------
    ValueError
        An unknown suffix.
    ImportError
        Parquet without pyarrow.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: tables are written as {', '.join(SUFFIXES)}")
    if path.suffix.lower() == ".parquet":
        _pyarrow()


def save_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write tables of the same columns, one below the other, into one file.

    Parameters
    ----------
    path : Path
        The suffix says the format: .csv, .json (a list of rows) or .parquet.
    tables : iterable of Table
        Taken one at a time, so that memory holds one.
    """
    check_table_suffix(path)
    write = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}
    write_atomically(path, lambda temporary: write[path.suffix.lower()](temporary, tables))


def _write_csv(path: Path, tables: Iterable[Table]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        begun = False
        for table in tables:
            if not begun:
                writer.writerow(table.columns)
                begun = True
            writer.writerows(row.values() for row in table.rows())


def _write_json(path: Path, tables: Iterable[Table]) -> None:
    with path.open("w", encoding="utf-8") as file:
        mark = "["
        for table in tables:
            for row in table.rows():
                file.write(f"{mark}\n{json.dumps(row, ensure_ascii=False)}")
                mark = ","
        file.write("[]\n" if mark == "[" else "\n]\n")


def _write_parquet(path: Path, tables: Iterable[Table]) -> None:
    arrow, parquet = _pyarrow()
    writer = None
    try:
        for table in tables:
            columns = {
                name: arrow.array(column, from_pandas=True, type=_arrow_type(arrow, column))
                for name, column in table.columns.items()
            }
            part = arrow.table(columns)
            writer = writer or parquet.ParquetWriter(path, part.schema)
            writer.write_table(part)
        if writer is None:
            parquet.write_table(arrow.table({}), path)
    finally:
        if writer is not None:
            writer.close()


def _arrow_type(arrow: Any, column: np.ndarray) -> Any:
    return {"U": arrow.string(), "f": arrow.float64()}.get(column.dtype.kind, arrow.int64())


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(f"Parquet is written by pyarrow: {HOW} ({error})") from error
    return pyarrow, pyarrow.parquet


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _column(values: list[Any], kind: str) -> np.ndarray:
    dtypes = {"U": np.str_, "i": np.int64, "u": np.int64, "f": np.float64}
    if kind == "f":
        values = [math.nan if value is None else value for value in values]
    return np.array(values, dtypes.get(kind, object))
