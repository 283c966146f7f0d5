"""Generations that are set aside: what holds their offsets, and when they are fetched again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .order import Place


@dataclass(frozen=True, slots=True)
class Aside:
    """A generation that is to be fetched again: it does not fit on the disk now, or somebody wants it tried once more.

    `firsts` holds the first of its records in each partition that is ours.
    """

    path: str
    size: int
    place: Place
    firsts: dict[int, int]
    reason: str


class SetAside:
    """All that is set aside, by generation; and which of it is being fetched again (sought)."""

    def __init__(self) -> None:
        self._waiting: dict[str, Aside] = {}
        self._sought: set[str] = set()

    def __iter__(self) -> Iterator[tuple[str, Aside]]:
        return iter(list(self._waiting.items()))

    def get(self, generation: str) -> Aside | None:
        return self._waiting.get(generation)

    def put(self, generation: str, aside: Aside) -> None:
        self._sought.discard(generation)
        self._waiting[generation] = aside

    def note(self, generation: str, partition: int, offset: int) -> None:
        """It has records in this partition too: it is fetched again from there as well, so not now."""
        self._waiting[generation].firsts[partition] = offset
        self._sought.discard(generation)

    def pop(self, generation: str) -> Aside | None:
        self._sought.discard(generation)
        return self._waiting.pop(generation, None)

    def begins_with(self, generation: str, partition: int, offset: int) -> bool:
        """May it begin anew with the record here? Only with a first one, and when all partitions are being read again."""
        aside = self._waiting[generation]
        return aside.firsts.get(partition) == offset and (generation in self._sought or len(aside.firsts) == 1)

    def missed(self, partition: int, offset: int) -> list[tuple[str, Aside]]:
        """What was to be fetched again and is no longer in the topic: reading has come past its place."""
        if not self._sought:
            return []
        passed = [g for g in self._sought if self._waiting[g].firsts.get(partition, offset) < offset]
        return [(generation, self._waiting[generation]) for generation in passed]

    def places(self, held: dict[int, int], fits: Callable[[int], bool]) -> dict[int, int]:
        """Where to go back to in each partition: to what is `held` back there, and to what fits now.

        In a partition the first one that fits is fetched, and what stands behind it is met on the way.
        """
        places = dict(held)
        served: set[int] = set()
        for aside in sorted(self._waiting.values(), key=lambda a: a.place.first_offset):
            if served.isdisjoint(aside.firsts) and fits(aside.size):
                served |= aside.firsts.keys()
                for partition, offset in aside.firsts.items():
                    places[partition] = min(offset, places.get(partition, offset))
        for generation, aside in self._waiting.items():
            if all(p in places and places[p] <= offset for p, offset in aside.firsts.items()):
                self._sought.add(generation)
        return places

    def close(self, partitions: frozenset[int]) -> None:
        """These partitions are ours no more."""
        for generation, aside in self:
            for partition in partitions & aside.firsts.keys():
                del aside.firsts[partition]
            if not aside.firsts:
                self.pop(generation)
