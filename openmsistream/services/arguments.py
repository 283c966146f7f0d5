"""A program's arguments as they can be kept: checked now, with absolute paths, and what they say of folders and files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from openmsistream.config import lookup
from openmsistream.program import arguments as types

WRITTEN = ("upload_dir", "output_dir", "state_dir", "logger_file_path")
"""What a program writes to; an upload keeps its ledger in the folder that it sends."""

CONFIG = "config"
KEY = "girder_api_key"
"""An argument that is a secret, which others could read from the list of processes."""


@dataclass(frozen=True, slots=True)
class Understood:
    """Arguments as they are kept. `config` is the configuration's file, None when the arguments name none.

    `key`: the secret that stood among them, taken out. `channels`: "heartbeat" and "log", where it sends such records.
    """

    args: tuple[str, ...]
    writes: tuple[Path, ...] = ()
    reads: tuple[Path, ...] = ()
    config: Path | None = None
    key: str = ""
    channels: tuple[str, ...] = ()


class _Word(str):
    """A word of the command line that knows which one it was, also after argparse has handed it on."""

    __slots__ = ("place",)
    place: int


def understood(
    parser: argparse.ArgumentParser, words: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Understood:
    """Check arguments with the program's own parser, which ends the process with its own message when they are wrong.

    Nothing is made on disk, though a parser may have types that make folders. `folder` is what relative paths begin at.
    Raises ConfigError when the configuration is not there.
    """
    words = list(_apart(parser, words))
    kept: dict[int, str] = {}
    found: dict[str, Path] = {}
    secret: set[int] = set()
    for action in parser._actions:
        if _is_path(action):
            action.type = _absolute(action, folder, kept, found)
        elif action.dest == CONFIG:
            action.type = _configuration(folder, environ, kept, found)
        elif action.dest == KEY:
            action.type = _secret(secret)
    parsed = types.parse(parser, [_word(text, place) for place, text in enumerate(words)])
    key = getattr(parsed, KEY, None) or ""
    args = [kept.get(place, text) for place, text in enumerate(words) if place not in secret]
    args += _where_results_go(parser, parsed, folder, found)
    config = found.pop(CONFIG, None)
    if config is None and (name := getattr(parsed, CONFIG, None)) is not None:
        config = lookup.find(str(name), environ)
    channels = tuple(kind for kind in ("heartbeat", "log") if getattr(parsed, f"{kind}_topic_name", None))
    writes = tuple(_folder_of(name, path) for name, path in found.items() if name in WRITTEN)
    reads = tuple(path for name, path in found.items() if name not in WRITTEN)
    return Understood(tuple(args), writes, reads + ((config,) if config else ()), config, key, channels)


def _where_results_go(
    parser: argparse.ArgumentParser, parsed: argparse.Namespace, folder: Path, found: dict[str, Path]
) -> list[str]:
    """The words that keep the output folder where the default would be now: in the folder where the program is started."""
    output = getattr(parsed, "output_dir", None)
    names = [name for action in parser._actions if action.dest == "output_dir" for name in action.option_strings]
    if not names or not isinstance(output, Path) or output.is_absolute():
        return []
    found["output_dir"] = folder / output
    return [names[0], str(folder / output)]


def unchecked(words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Understood:
    """Arguments of a function, which nobody but it can check: only `--config` is known to mean what it means elsewhere."""
    args, made = list(words), Understood(tuple(words))
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        at = place if equals else place + 1
        if option != "--config" or at >= len(args):
            continue
        value = value if equals else args[at]
        config = lookup.find(_from(folder, value), environ)
        name = _config_name(value, config)
        args[at] = f"{option}={name}" if equals else name
        made = replace(made, config=config, reads=(config,))
    return replace(made, args=tuple(args))


def _word(text: str, place: int) -> _Word:
    word = _Word(text)
    word.place = place
    return word


def _apart(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """`--option=value` as two words where the value is a path, so that it can be told from the rest."""
    options = {name: action for action in parser._actions for name in action.option_strings}
    out: list[str] = []
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            return [*out, *words[place:]]
        action = options.get(name) if equals else None
        is_ours = action is not None and (_is_path(action) or action.dest == CONFIG) and not value.startswith("-")
        out += [name, value] if is_ours else [word]
    return out


_PATHS = (Path, types.existing_dir, types.existing_file, types.create_dir)


def _is_path(action: argparse.Action) -> bool:
    kind = action.type
    named = getattr(kind, "__name__", "") in ("existing_dir", "existing_file", "create_dir", "Path")
    return kind in _PATHS or named


def _absolute(
    action: argparse.Action, folder: Path, kept: dict[int, str], found: dict[str, Path]
) -> Callable[[str], Any]:
    kind = action.type
    makes = kind is types.create_dir or getattr(kind, "__name__", "") == "create_dir"

    def convert(text: str) -> Any:
        path = Path(text).expanduser()
        if isinstance(text, _Word):  # and not a default
            path = found[action.dest] = Path(os.path.abspath(folder / path))
            kept[text.place] = str(path)
        return path if makes or kind is None or not callable(kind) else kind(str(path))

    convert.__name__ = getattr(kind, "__name__", "path")  # it stands in argparse's messages
    return convert


def _configuration(
    folder: Path, environ: Mapping[str, str], kept: dict[int, str], found: dict[str, Path]
) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if not isinstance(text, _Word):  # the default
            return text
        path = Path(os.path.abspath(lookup.find(_from(folder, text), environ)))
        kept[text.place] = _config_name(text, path)
        found[CONFIG] = path
        return kept[text.place]

    return convert


def _secret(places: set[int]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if isinstance(text, _Word):
            places.add(text.place)
        return str(text)

    return convert


def _config_name(given: str, path: Path) -> str:
    """A configuration that comes with the package keeps its name: the package may move when it is upgraded."""
    return given if path.parent == lookup.PACKAGED else str(path)


def _from(folder: Path, name: str) -> str:
    """A path of a configuration, seen from a folder; a name that is looked for elsewhere stays."""
    file = name if "." in name else name + lookup.SUFFIX
    beside = folder / Path(file).expanduser()
    return os.path.abspath(beside) if beside.is_file() else name


def _folder_of(name: str, path: Path) -> Path:
    """The folder that is written to: that of a log file."""
    is_file = name == "logger_file_path" and "." in path.name and not path.is_dir()
    return path.parent if is_file else path
