"""How a process of its own comes to the work: the function as it is, or an object made again from its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, cast

from openmsistream.processing.work import Work


class RemembersArguments:
    """Mixed in, an object knows what its constructor was called with, whatever constructors subclasses write."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made.made_with = (args, dict(kwargs))
        return made


@dataclass(frozen=True, slots=True)
class AsItIs:
    """Work that can be passed to a process by its name: a function at the top level of a module."""

    work: Work

    def __call__(self) -> Work:
        return self.work


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Work that is a method of an object: the object is made again, with the same arguments, where it is to run."""

    kind: type[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    method: str = "__call__"

    @classmethod
    def like(cls, made: RemembersArguments, method: str) -> Self:
        """The same object as this one, somewhere else; `method` is the name of its work."""
        args, kwargs = made.made_with
        return cls(type(made), args, kwargs, method)

    def __call__(self) -> Work:
        return cast(Work, getattr(self.kind(*self.args, **self.kwargs), self.method))
