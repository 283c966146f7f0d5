"""Names from the wire: what is refused, and that nothing that passes can lead out of the root."""

from __future__ import annotations

import ntpath
import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openmsistream.files.names import BadName, local_parts, parts_of

WICKED = st.lists(st.sampled_from([*"ab./\\:~$ \0é日", "..", "LOGS", "logs", "nul"]), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a//b", "''"),
        ("a/", "''"),
        ("./a", "'.'"),
        ("a\0b", "NUL"),
        ("LOGS/download-t.sqlite", "own state"),
        ("LOGS", "own state"),
        ("a/.oms-0-1.part", "being received"),
        ("x" * 5000, "5000 bytes long"),
        ("a\udcff", "not valid UTF-8"),
    ],
)
def test_a_name_that_could_lead_outside_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(BadName, match=reason.replace(".", r"\.")):
        parts_of(path)


@pytest.mark.parametrize(
    "path", ["a.txt", "Ünïcödé/日本語/файл.tif", "a b/c,d;e", "..a/b..", "x/LOGS/y", "logs/a", "a\\b", "C:x", "aux.h"]
)
def test_names_of_any_language_are_fine(path: str) -> None:
    assert "/".join(local_parts(path, windows=False)) == path


@given(WICKED)
@example("..")
@example("a/..")
def test_what_passes_stays_below_the_root(path: str) -> None:
    try:
        parts = local_parts(path, windows=False)
    except BadName:
        return
    full = posixpath.normpath(posixpath.join("/root/folder", *parts))
    assert full.startswith("/root/folder/")
    assert not full.startswith("/root/folder/LOGS/")


@given(WICKED)
@example("C:/x")
@example("\\\\host\\share\\x")
@example("a\\..\\..\\x")
@example("logs/x")
def test_what_passes_on_windows_stays_below_the_root_there(path: str) -> None:
    try:
        parts = local_parts(path, windows=True)
    except BadName:
        return
    full = ntpath.normpath(ntpath.join("C:\\root\\folder", *parts))
    assert full.lower().startswith("c:\\root\\folder\\")
    assert not full.lower().startswith("c:\\root\\folder\\logs\\")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("C:/x", "':'"),
        ("\\\\host\\share", "does not allow"),
        ("//host/share", "absolute"),
        ("a\\b", "does not allow"),
        ("a/nul", "reserved"),
        ("COM1.txt", "reserved"),
        ("aux.h", "reserved"),
        ("a.", "dot or space"),
        ("a /b", "dot or space"),
        ("logs/x", "own state"),
        ("Logs/x", "own state"),
        ("y" * 256, "255"),
        ("a\x01", "does not allow"),
    ],
)
def test_what_windows_cannot_hold_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(BadName) as caught:
        local_parts(path, windows=True)
    assert reason in str(caught.value)


def test_on_macos_another_spelling_of_logs_is_our_own_state_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(BadName, match="own state"):
        local_parts("logs/x", windows=False)


def test_linux_counts_the_bytes_of_a_name() -> None:
    assert local_parts("x" * 255, windows=False)
    with pytest.raises(BadName, match="256 bytes long"):
        local_parts("é" * 128, windows=False)
