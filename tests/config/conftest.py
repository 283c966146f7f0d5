"""What the tests of configuration share: a file of one's own, read with an environment of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from openmsistream.config import Settings, load

Load = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """`read(text, VARIABLE="value", ...)` loads a file of that text; [broker] is added when missing."""

    def read_text(text: str, **environ: str) -> Settings:
        if "[broker]" not in text:
            text = f"[broker]\nbootstrap.servers = lab:9092\n{text}"
        path = tmp_path / "mine.config"
        path.write_text(text, encoding="utf-8")
        return load(path, environ=environ)

    return read_text
