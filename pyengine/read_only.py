"""A mapping that cannot be changed, and that copies, pickles and prints like a dict."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any


class ReadOnlyDict(Mapping[str, Any]):
    """What records give out. ``copy.deepcopy``, and so ``dataclasses.asdict``, make it a dict."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return repr(self._content)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(self._content, memo)
