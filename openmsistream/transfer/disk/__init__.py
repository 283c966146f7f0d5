"""Safe and durable steps on a target folder: open below a root without following links, write parts, put them in place.

`posix.py` goes through folder descriptors, component by component; `windows.py` checks the resolved path instead. Both
offer the same two classes, `Target` and `Folder`.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from .windows import Folder, Target
else:
    from .posix import Folder, Target

from .common import NotAFolder

__all__ = ["Folder", "NotAFolder", "Target"]
