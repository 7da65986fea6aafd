"""Sizes, offsets and enumerators of the C interface, as a compiler sees them, against layouts.txt.

Usage: layouts.py INCLUDE_FOLDER STORED WORK_FOLDER, with the compiler in $CC (cc).

What a stored line says may not change: programs were compiled with it. New lines are new promises:
fields at a struct's end, structs, enumerators.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path


def declared(headers: str) -> tuple[dict[str, list[str]], list[str]]:
    """Fields by struct, and the enumerators."""
    text = re.sub(r"/\*.*?\*/", "", headers, flags=re.DOTALL)
    structs = {}
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.DOTALL):
        fields = [re.sub(r"\[\d+\]$", "", f.split()[-1]) for f in body.split(";") if f.strip()]
        structs[name] = [field.lstrip("*") for field in fields]
    enumerators = []
    for body in re.findall(r"typedef enum \w+ \{(.*?)\}", text, re.DOTALL):
        enumerators += re.findall(r"(PYE_\w+) =", body)
    return structs, enumerators


def program(structs: dict[str, list[str]], enumerators: list[str]) -> str:
    lines = ['#include "pyengine/c_api.h"', "#include <stdio.h>", "int main(void) {"]
    for name, fields in structs.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        lines += [
            f'printf("{name}.{f} %zu %zu\\n", offsetof({name}, {f}), sizeof((({name}*)0)->{f}));'
            for f in fields
        ]
    lines += [f'printf("{e} %d\\n", (int){e});' for e in enumerators]
    return "\n".join([*lines, "return 0;", "}"])


def main(include: str, stored: str, work: str) -> int:
    headers = "\n".join(p.read_text() for p in sorted(Path(include, "pyengine").glob("c_*.h")))
    source, binary = Path(work, "layouts.c"), Path(work, "layouts")
    source.write_text(program(*declared(headers)) + "\n")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-std=c99", "-I", include, source, "-o", binary], check=True)
    found = subprocess.run([binary], check=True, capture_output=True, text=True).stdout
    Path(work, "layouts.txt").write_text(found)
    if found == Path(stored).read_text():
        return 0
    before = Path(stored).read_text().splitlines()
    changes = list(difflib.unified_diff(before, found.splitlines(), lineterm="", n=0))[2:]
    print("\n".join(c for c in changes if not c.startswith("@@")), file=sys.stderr)
    print(
        f"The C interface differs from {stored}. A line with - breaks programs; + is a new "
        f"promise. Where that is meant: cp {work}/layouts.txt {stored}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
