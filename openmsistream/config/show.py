"""Settings in a form to be shown: as lines for people and as a dictionary for programs, secrets masked in both."""

from __future__ import annotations

from collections.abc import Iterator

from openmsistream.config.properties import ClientProperties
from openmsistream.config.secret import mask
from openmsistream.config.settings import Settings

_CLIENT_SECTIONS = ("broker", "producer", "consumer")


def as_dict(settings: Settings) -> dict[str, object]:
    """All of it as plain values, for JSON."""
    return {
        "name": settings.name,
        "path": str(settings.path.absolute()),
        "wire": settings.wire.value,
        "group_id": settings.group_id,
        "warnings": list(settings.warnings),
        "unknown": [str(unknown.error) for unknown in settings.unknown],
        **{role: _client(client) for role, client in _clients(settings)},
        "sections": {
            name: {key: mask(key, text) for key, text in values.items()}
            for name, values in settings.sections.items()
            if name not in _CLIENT_SECTIONS
        },
    }


def as_lines(settings: Settings) -> Iterator[str]:
    """All of it as text: a table for each kind of client, with key, value and origin."""
    yield f"file    {settings.path.absolute()}"
    yield f"wire    {settings.wire.value}"
    yield f"group   {settings.group_id or 'named by the program: the file names none'}"
    for warning in settings.warnings:
        yield f"warning {warning}"
    for unknown in settings.unknown:
        yield f"unknown {unknown.error}"
    for role, client in _clients(settings):
        yield ""
        yield f"{role}:"
        yield from _table([(key, _short(value), client.entries[key].origin) for key, value in client.shown.items()])
    for name, values in settings.sections.items():
        if name not in _CLIENT_SECTIONS:
            yield ""
            yield f"[{name}] as written:"
            yield from _table([(key, _short(mask(key, text)), "") for key, text in values.items()])


def _clients(settings: Settings) -> tuple[tuple[str, ClientProperties], ...]:
    return (("producer", settings.producer), ("consumer", settings.consumer), ("admin", settings.admin))


def _client(client: ClientProperties) -> dict[str, dict[str, str]]:
    return {key: {"value": value, "origin": client.entries[key].origin} for key, value in client.shown.items()}


def _short(value: str) -> str:
    """One line of a value, since certificates may be written into a file as a whole."""
    first, *rest = value.splitlines() or [""]
    return f"{first} ... ({len(rest)} more lines)" if rest else first


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    keys = max((len(key) for key, _, _ in rows), default=0)
    values = min(max((len(value) for _, value, _ in rows), default=0), 48)  # a long one must not push all aside
    for key, value, origin in rows:
        yield f"  {key:<{keys}}  {value:<{values}}  {origin}".rstrip()
