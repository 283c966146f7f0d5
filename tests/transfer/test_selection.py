"""Which names are sent, and the reason why the others are not."""

from __future__ import annotations

import re

import pytest

from openmsistream.transfer.selection import Selection


@pytest.mark.parametrize(
    "path",
    [
        "catalog.csv",
        "my_logs/data.csv",
        "blog.txt",
        "a.b/c",
        "logs/x.csv",
        "x/LOGS/y",
        "a.tmp/b",
        "x.log.gz",
        "data~1/a",
    ],
)
def test_sent(path: str) -> None:
    assert Selection().reason_to_skip(path) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("run.log", "name matches *.log"),
        ("RUN.LOG", "name matches *.log"),
        ("x/~$report.xlsx", "name matches ~$*"),
        ("a.tmp", "name matches *.tmp"),
        ("a.part", "name matches *.part"),
        (".~lock.a.ods#", "hidden"),
        ("Thumbs.db", "name matches Thumbs.db"),
        ("a.txt~", "name matches *~"),
        (".hidden/x", "hidden (.hidden)"),
        ("x/.h/y", "hidden (.h)"),
        ("x/.y", "hidden (.y)"),
        ("LOGS/l.sqlite", "LOGS/ holds this program's own state"),
        ("bad\udcff", "not valid UTF-8"),
    ],
)
def test_skipped_with_the_reason(path: str, reason: str) -> None:
    found = Selection().reason_to_skip(path)
    assert found is not None
    assert reason in found


def test_a_regex_replaces_the_patterns() -> None:
    selection = Selection(re.compile(r".*\.(log|tmp)$"))
    assert selection.reason_to_skip("x/run.log") is None
    assert selection.reason_to_skip("a.tmp") is None
    assert selection.reason_to_skip("a.csv") == r"does not match --upload_regex .*\.(log|tmp)$"


@pytest.mark.parametrize("path", [".hidden/x", "x/.h/y", "LOGS/x.log", "../x"])
def test_a_regex_never_lets_hidden_names_or_our_own_state_through(path: str) -> None:
    assert Selection(re.compile(".*")).reason_to_skip(path) is not None


def test_a_regex_is_matched_from_the_start_of_the_path() -> None:
    selection = Selection(re.compile("run"))
    assert selection.reason_to_skip("run1/a") is None
    assert selection.reason_to_skip("x/run1") is not None


@pytest.mark.parametrize(
    ("folder", "entered"),
    [("a", True), ("a/LOGS", True), ("LOGS", False), ("LOGS/x", False), (".git", False), ("a/.b", False)],
)
def test_only_folders_that_may_hold_something_are_entered(folder: str, entered: bool) -> None:
    assert Selection().enters(folder) is entered
