"""Files of OCT devices: stacks of B-scans, with spacing and side as far as a file tells them."""

from __future__ import annotations

from pyengine.formats.oct.bioptigen import Bioptigen
from pyengine.formats.oct.heidelberg import HeidelbergE2e, HeidelbergVol, HeidelbergXml
from pyengine.formats.oct.topcon import Topcon
from pyengine.formats.oct.zeiss import Zeiss

OCT_DEVICES = (
    HeidelbergVol(), HeidelbergXml(), HeidelbergE2e(), Topcon(), Zeiss(), Bioptigen(),
)  # fmt: skip

__all__ = ["OCT_DEVICES"]
