"""A class may inherit from openmsitoolbox and from ours; tests/interop does it with the real package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest

from openmsistream.program.runnable import Runnable


class HasArguments(ABC):
    """As openmsitoolbox has it: class methods that know no arguments."""

    __module__ = "openmsitoolbox.has_arguments"

    @classmethod
    @abstractmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        return [], {}


class Theirs(HasArguments):
    __module__ = "openmsitoolbox.runnable"

    @classmethod
    @abstractmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        raise NotImplementedError


class Ours(Runnable):
    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        return ["ours"], {}


class TheirsFirst(Theirs, Ours):
    """The order that would hide ours."""

    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        names, defaults = super().get_command_line_arguments()
        return [*names, "mine"], defaults


class OursFirst(Ours, Theirs):
    pass


@pytest.mark.parametrize(("kind", "names"), [(TheirsFirst, ["ours", "mine"]), (OursFirst, ["ours"])])
def test_ours_is_asked_in_either_order(kind: type[Ours], names: list[str]) -> None:
    assert kind.get_command_line_arguments()[0] == names
    assert isinstance(kind(), Theirs)


def test_a_class_with_another_mixin_keeps_pythons_order() -> None:
    class Mixin:
        @classmethod
        def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
            return ["mixin"], {}

    class Mine(Mixin, Ours):
        pass

    assert Mine.get_command_line_arguments()[0] == ["mixin"]
