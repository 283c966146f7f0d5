"""The API key for a Girder server: given, from a file or from the environment, and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from openmsistream.config.secret import HIDDEN
from openmsistream.errors import UsageError

KEY_VARIABLE = "GIRDER_API_KEY"
FILE_VARIABLE = "GIRDER_API_KEY_FILE"

_LIKE_A_KEY = re.compile(r"\b[A-Za-z0-9]{40}\b")

_ADVICE = (
    f"set {KEY_VARIABLE}, or name a file that holds the key by {FILE_VARIABLE} or --girder_api_key_file; "
    "a key is made in Girder under My account, API keys"
)


class ApiKey:
    """A key that shows only where it came from. `reveal` gives it."""

    def __init__(self, key: str, origin: str = "the argument girder_api_key") -> None:
        self._key = key
        self.origin = origin

    @classmethod
    def find(cls, given: str | None, file: str | Path | None, environ: Mapping[str, str] = os.environ) -> Self:
        """The key that is given, else that of the file, of GIRDER_API_KEY, or of the file that GIRDER_API_KEY_FILE names.

        Raises UsageError when there is none, or when the file cannot be read.
        """
        if given and given.strip():
            return cls(given.strip())
        if file is not None:
            return cls._of_file(Path(file))
        if key := environ.get(KEY_VARIABLE, "").strip():
            return cls(key, f"{KEY_VARIABLE} or the command line")  # which puts it there; see girder_command_line.hide
        if named := environ.get(FILE_VARIABLE):
            return cls._of_file(Path(named))
        raise UsageError("there is no API key for Girder", _ADVICE)

    @classmethod
    def _of_file(cls, path: Path) -> Self:
        try:
            key = path.read_text("utf-8-sig").strip()
        except OSError as error:
            raise UsageError(
                f"the file {without_keys(str(path))} with the API key for Girder cannot be read: {error.strerror}",
                _ADVICE,
            ) from error
        except UnicodeDecodeError:
            key = ""
        if not key or "\n" in key:
            raise UsageError(f"the file {path} does not hold one line with an API key for Girder", _ADVICE)
        return cls(key, f"the file {path}")

    def reveal(self) -> str:
        """The key itself."""
        return self._key

    def hidden_in(self, text: str) -> str:
        """The text without the key, should it be there."""
        return text.replace(self._key, HIDDEN)

    def __repr__(self) -> str:
        return f"<ApiKey from {self.origin}>"


def without_keys(text: str) -> str:
    """The text without what looks like a key of Girder: somebody may have put one in a wrong place."""
    return _LIKE_A_KEY.sub(HIDDEN, text)
