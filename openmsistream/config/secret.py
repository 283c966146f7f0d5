"""What must not be shown: passwords, keys and tokens, told by the name of a key or by the look of a value."""

from __future__ import annotations

import re

HIDDEN = "********"
"""Stands for a secret of any length."""

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|pwd|secret|token|credential|jaas|oauthbearer[._]config"
    r"|(api|access|private|account|shared|encryption)[._-]?key|key[._-]?pem"
)
_PLACE = re.compile(r"[._](url|location|file|path)$")
"""Keys that end so say where something is, not what it is."""

_SECRET_VALUE = re.compile(
    r"PRIVATE KEY|\b(password|passphrase|passwd|pwd|secret|token|api[_-]?key)\s*=", re.IGNORECASE
)
_IN_URL = re.compile(r"(?<=://)\S+(?=@)")


def mask(key: str, value: str) -> str:
    """The value as it may be shown: `HIDDEN` for a secret, and in place of the user and password of a URL."""
    name = key.lower()
    if not value:
        return value  # an empty password is worth seeing
    if (_SECRET_KEY.search(name) and not _PLACE.search(name)) or _SECRET_VALUE.search(value):
        return HIDDEN
    return _IN_URL.sub(HIDDEN, value)
