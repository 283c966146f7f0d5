"""How many kills: `--kills N`; the long campaign runs only when it is asked for with `-m campaign`."""

from __future__ import annotations

import pytest

SHORT = 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=None, help="kills in the long campaign (default 300)")
    parser.addoption("--kill-seed", type=int, default=None, help="where its dice begin")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long campaign out, unless marks were chosen on the command line."""
    if config.getoption("markexpr", ""):
        return
    long = [item for item in items if item.get_closest_marker("campaign")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
