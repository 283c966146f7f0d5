"""JSON as people type it: read as far as it can be meant, every mistake with its line and column."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

Path_ = tuple[str | int, ...]
"""Where a value stands: names of members, numbers of elements from 0."""

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\n]*')
_WORD = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.])")
_ESCAPED = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_QUOTE_OF_A_PATH = re.compile(r'\\"[ \t,}\]]*\r?$')
"""A backslash, and the quote that ends the text, at the end of a line: `"C:\\data\\",`, where JSON sees the text go on."""

_CONTROL = re.compile(r"[\x00-\x1f]")

_DEEPEST = 30
"""Levels of brackets that are followed: a tracker has two or three."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and a column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Slip:
    """What is not JSON at a place, and below which names that is."""

    place: Place
    path: Path_
    what: str
    advice: str


@dataclass(slots=True)
class Reading:
    """What a text comes to. `whole` is False when the end could not be reached; `places` says where values stand."""

    value: object = None
    whole: bool = True
    slips: list[Slip] = field(default_factory=list)
    places: dict[Path_, Place] = field(default_factory=dict)

    def place(self, path: Path_) -> Place:
        """Where the value at this path stands, or the nearest one around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))


def read(path: Path) -> Reading:
    """What a file comes to; OSError when it cannot be read."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        made = parse(data.decode("utf-16", "replace"))
        made.slips.insert(0, Slip(Place(1, 1), (), "the file is in UTF-16", "save it as UTF-8"))
        return made
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        made = parse(data.decode("cp1252", "replace"))
        place = _place(before, len(before))
        made.slips.insert(0, Slip(place, (), "there is a character that is not in UTF-8", "save the file as UTF-8"))
        return made


def parse(text: str) -> Reading:
    """What a text comes to."""
    return _Reader(text).run()


def _place(text: str, at: int) -> Place:
    return Place(text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1)


class _Lost(Exception):
    """From here on nothing can be made of the text."""


class _Reader:
    """Goes through a text once. What is meant in spite of a slip is taken, and the slip noted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._made = Reading()

    def run(self) -> Reading:
        try:
            self._made.value = self._document()
        except _Lost:
            self._made.whole = False
        self._made.slips.sort(key=lambda slip: slip.place)
        return self._made

    # -- values --------------------------------------------------------------------------------------------

    def _document(self) -> object:
        """The one value of the file; records that are written one after the other are taken as a list."""
        self._space()
        if not self._rest():
            self._lost((), "the file is empty", "write {} or [] into it, or let `openmsistream tracker add` make it")
        began = self._at
        value = self._value(())
        self._space()
        if not self._rest():
            return value
        if not isinstance(value, dict) or self._rest()[0] not in "{,":
            self._lost((), "there is something behind the end", "remove it")
        self._slip(
            began, (), "there is more than one record", "put all of them between [ and ], with commas in between"
        )
        self._made.places = {(0, *path): place for path, place in self._made.places.items()}
        values = [value]
        while self._rest():
            self._skip(",")
            if self._rest():
                values.append(self._value((len(values),)))  # type: ignore[arg-type]
                self._space()
        return values

    def _value(self, path: Path_) -> object:
        if len(path) > _DEEPEST:
            self._lost(path, "brackets stand in brackets too deeply", "a record is a flat list of names and texts")
        self._made.places.setdefault(path, self._here())
        match self._rest()[:1]:
            case "{":
                return self._members(path)
            case "[":
                return self._elements(path)
            case '"':
                return self._string(path)
        word = _WORD.match(self._text, self._at)
        if word is None:
            self._lost(
                path, f"a value is expected here, not {self._shown()}", 'a text stands between quotes: "like this"'
            )
        self._at = word.end()
        found: object = json.loads(word[0])
        return found

    def _members(self, path: Path_) -> dict[str, object]:
        members: dict[str, object] = {}
        self._at += 1
        while not self._ended("}", path, first=not members):
            if not self._rest().startswith('"'):
                self._lost(
                    path, f"a name between quotes is expected here, not {self._shown()}", "see the line before, too"
                )
            began = self._at
            name = self._string(path)
            below = (*path, name)
            if name in members:
                self._slip(began, below, "this name stands here twice", "keep one of the two")
            if not self._skip(":"):
                self._lost(below, "the colon behind the name is missing", 'write "name": "text"')
            self._made.places[below] = self._here()
            members[name] = self._value(below)
        return members

    def _elements(self, path: Path_) -> list[object]:
        elements: list[object] = []
        self._at += 1
        while not self._ended("]", path, first=not elements):
            elements.append(self._value((*path, len(elements))))
        return elements

    def _ended(self, bracket: str, path: Path_, *, first: bool) -> bool:
        """Go on to the next member or element; True at the bracket that ends them."""
        self._space()
        behind, comma = self._at, self._skip(",")
        if not self._rest():
            self._lost(path, f"the file ends before {bracket}", f"add {bracket}")
        if self._rest().startswith(bracket):
            if comma:
                self._slip(behind, path, f"there is a comma before {bracket}", "remove it")
            self._at += 1
            return True
        if comma and first:
            self._slip(behind, path, "there is a comma before the first value", "remove it")
        if not comma and not first:
            if self._rest()[0] not in '"{[':
                self._lost(
                    path, f"a comma or {bracket} is expected here, not {self._shown()}", "see the line before, too"
                )
            self._slip(self._end_before(), path, "the comma at the end is missing", "add it")
        return False

    def _string(self, path: Path_) -> str:
        """A text. One in which a backslash stands before a letter that means nothing has backslashes that mean themselves."""
        began = self._at
        self._at += 1
        raw, strange = "", False
        while True:
            plain = _PLAIN.match(self._text, self._at)
            raw += plain[0] if plain else ""
            self._at += len(plain[0]) if plain else 0
            sign = self._rest()[:1]
            if sign in ("", "\n"):
                self._at = began
                self._lost(
                    path,
                    "the quote at the end of this text is missing on its line",
                    'write \\n for a new line, " at the end',
                )
            if sign == '"':
                self._at += 1
                break
            escaped = _ESCAPED.match(self._text, self._at)
            if self._ends_a_path():
                raw, strange = raw + "\\", True
                self._at += 2
                break
            strange = strange or escaped is None
            raw += escaped[0] if escaped else "\\"
            self._at += len(escaped[0]) if escaped else 1
        if _CONTROL.search(raw):
            self._slip(began, path, "there is a tab or another control character", "write a space, or \\t")
        if strange:
            self._slip(began, path, "there is a single backslash", r'write each backslash of a path twice: "C:\\data"')
            return raw.replace("\\\\", "\\").replace('\\"', '"')
        return str(json.loads(f'"{raw}"', strict=False))

    def _ends_a_path(self) -> bool:
        end = self._text.find("\n", self._at)
        return _QUOTE_OF_A_PATH.match(self._text[self._at : end if end >= 0 else None]) is not None

    # -- the text ------------------------------------------------------------------------------------------

    def _rest(self) -> str:
        return self._text[self._at : self._at + 40]

    def _shown(self) -> str:
        return repr(self._rest().split("\n")[0].rstrip()[:20])

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _skip(self, sign: str) -> bool:
        """Go past this sign and the space around it; False when it is not there."""
        self._space()
        there = self._text.startswith(sign, self._at)
        self._at += len(sign) if there else 0
        self._space()
        return there

    def _end_before(self) -> int:
        """Where the value before this place ends."""
        return len(self._text[: self._at].rstrip())

    def _here(self) -> Place:
        return _place(self._text, self._at)

    def _slip(self, at: int, path: Path_, what: str, advice: str) -> None:
        self._made.slips.append(Slip(_place(self._text, at), path, what, advice))

    def _lost(self, path: Path_, what: str, advice: str) -> NoReturn:
        self._slip(self._at, path, what, advice)
        raise _Lost
