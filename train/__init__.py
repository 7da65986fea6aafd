"""Training scripts; see README.md in this folder."""

import sys
from pathlib import Path

# "python -m" puts the sources first, where pyengine lacks its native module: let the installed
# package win.
_root = Path(__file__).resolve().parents[1]
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != _root] + [str(_root)]
