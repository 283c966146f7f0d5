"""Services of a real Windows. Elsewhere nothing here is collected: there is nothing to say about it."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
