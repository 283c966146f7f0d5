"""The page that draws the house says of every module of the way what the module itself says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
PAGE = (HERE / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = ("files", "ledger", "kafka", "transfer", "program")
MODULES = sorted(
    module for room in ROOMS for module in (HERE / "openmsistream" / room).rglob("*.py") if module.name != "__init__.py"
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.relative_to(HERE).as_posix())
def test_the_page_has_the_first_line_of_every_module(module: Path) -> None:
    said = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert said, "a module says what it is"
    assert (
        f"| `{module.name}` | {said.splitlines()[0]} |" in PAGE or f"/{module.name}` | {said.splitlines()[0]} |" in PAGE
    )


def test_the_page_names_no_module_that_is_gone() -> None:
    named = {line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `") and ".py`" in line}
    there = {module.name for module in (HERE / "openmsistream").rglob("*.py")}
    assert {name.rsplit("/", 1)[-1] for name in named} <= there
