"""Write `config/client_properties.json` anew (for maintainers: `python -m openmsistream.kafka.known_properties`).

Asks the library that the installed client brings for its own table of properties, and keeps names, types and choices. The
list only makes messages better: whether a property exists is always the client's to say (see checked.py).
"""

from __future__ import annotations

import ctypes
import json
import re
import tempfile
from pathlib import Path

import confluent_kafka
from confluent_kafka import cimpl

import openmsistream.config

_TYPE = re.compile(r"\*Type: ([^*]+)\*")
_ALIAS = re.compile(r"Alias for `([^`]+)`")
_NOT_IN_A_FILE = "see dedicated API"  # functions, which a program sets


def _table() -> str:
    """The library's description of its properties, as it prints it."""
    found = [*Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*"), Path(cimpl.__file__)]
    library, c = ctypes.CDLL(str(found[0])), ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "table"
        file = ctypes.c_void_p(c.fopen(str(place).encode(), b"w"))
        library.rd_kafka_conf_properties_show(file)
        c.fclose(file)
        return place.read_text("utf-8")


def _read(table: str) -> dict[str, dict[str, object]]:
    known: dict[str, dict[str, object]] = {}
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.split("|")]
        kind = _TYPE.search(row)
        if kind is None or kind[1] == _NOT_IN_A_FILE:
            continue
        entry: dict[str, object] = {"type": kind[1]}
        if kind[1] == "enum value":
            entry["choices"] = cells[2].split(", ")
        if alias := _ALIAS.search(row):
            entry["alias"] = alias[1]
        known[cells[0]] = entry
    return known


def main() -> None:
    """Ask, read, write."""
    known = _read(_table())
    target = Path(openmsistream.config.__file__).with_name("client_properties.json")
    entries = ",\n".join(f" {json.dumps(name)}: {json.dumps(known[name])}" for name in sorted(known))
    target.write_text(f"{{\n{entries}\n}}\n", encoding="utf-8")
    print(f"{target}: librdkafka {confluent_kafka.libversion()[0]}, {len(known)} properties")


if __name__ == "__main__":
    main()
