"""Safe and durable steps on a target folder: open below a root without following links, write parts, put them in place.

`posix.py` goes through folder descriptors, component by component; `windows.py` checks the resolved path instead. Both
offer the same two classes, `Target` and `Folder`, and `allow_open_files`.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from .windows import Folder, Target, allow_open_files
else:
    from .posix import Folder, Target, allow_open_files

from .common import NotAFolder

__all__ = ["Folder", "NotAFolder", "Target", "allow_open_files"]
