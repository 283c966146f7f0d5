"""What a configuration's section [s3] asks for, and what a bucket may be called."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from openmsistream.config import Settings
from openmsistream.errors import ConfigError, UsageError

KEYS = ("access_key_id", "secret_key_id", "endpoint_url", "region", "ca_bundle")

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What S3 servers take, older and stricter ones alike; the server has the last word."""


@dataclass(frozen=True)
class S3Settings:
    """How an S3 server is reached. What is None is left to the usual places of AWS: environment, profile, instance."""

    access_key_id: str | None = None
    secret_key_id: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    region: str | None = None
    ca_bundle: str | None = None
    """A PEM file with the certificates to trust, in place of the usual ones."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """From a configuration; ConfigError when its values do not go together."""
        return cls.from_values(settings.section("s3"), f"section [s3] of {settings.path}")

    @classmethod
    def from_values(cls, values: Mapping[str, Any], origin: str) -> Self:
        """From keys and values; what is none of ours is not used. `origin` says in errors where they stand."""
        given = {key: text for key in KEYS if (text := str(values.get(key) or "").strip())}
        if ("access_key_id" in given) != ("secret_key_id" in given):
            missing = "access_key_id" if "secret_key_id" in given else "secret_key_id"
            raise ConfigError(
                f"{origin} has no {missing}",
                f"add {missing}, or leave out both keys: they are then looked for where AWS's programs look",
            )
        bundle = given.get("ca_bundle")
        if bundle is not None and not Path(bundle).expanduser().is_file():
            raise ConfigError(f"{origin} has ca_bundle = {bundle}, and there is no such file", "correct the path")
        url = given.get("endpoint_url")
        if url is not None and "://" not in url:
            given["endpoint_url"] = f"https://{url}"
        return cls(**given)


def misspelt(settings: Settings) -> list[str]:
    """A warning for each key of [s3] that looks like a slip."""
    found = (key for key in settings.sections.get("s3", {}) if key not in KEYS)
    near: Mapping[str, list[str]] = {key: difflib.get_close_matches(key, KEYS, n=1, cutoff=0.75) for key in found}
    return [
        f"{key} in section [s3] of {settings.path} is not known and is not used; did you mean {meant[0]}"
        for key, meant in near.items()
        if meant
    ]


def bucket_name(text: str) -> str:
    """The name of a bucket; UsageError when none can have it."""
    if _BUCKET.fullmatch(text):
        return text
    wrong = next((char for char in text if not _BUCKET.fullmatch(char)), "")
    raise UsageError(
        f"{text!r} cannot be the name of a bucket" + (f": it contains {wrong!r}" if wrong else ""),
        'give the name alone, without "s3://" and without a folder: letters, digits, dots and hyphens',
    )
