"""Which Kafka is run: the one in KAFKA_HOME, otherwise the pinned one, and where that is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsistream.broker.jars import KAFKA_DIR, provide
from openmsistream.broker.pins import load_pins
from openmsistream.config.places import user_cache_dir
from openmsistream.errors import BrokerProcessError

OLDEST_MAJOR = 4
"""The settings file that we write, and the log set-up, are those of Kafka 4."""

_CLIENTS = re.compile(r"kafka-clients-(\d+)\.(.+)\.jar")


@dataclass(frozen=True)
class Installation:
    """A Kafka that can be started."""

    version: str
    classpath: str
    origin: str


def find_installation(say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Installation:
    """Kafka's version and class path; the pinned jars are fetched when they are not there yet."""
    if home := environ.get("KAFKA_HOME"):
        return _unpacked(Path(home))
    folder, pins = jars_folder(environ), load_pins()
    jars = provide(pins, folder, say)
    return Installation(pins.version, os.pathsep.join(map(str, jars)), "pinned")


def jars_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the pinned jars are, or will be once they are fetched."""
    if chosen := environ.get(KAFKA_DIR):
        return Path(chosen).expanduser().absolute()  # Java is started in another folder
    return user_cache_dir(environ) / f"kafka-{load_pins().version}"


def _unpacked(home: Path) -> Installation:
    libs = home.expanduser().resolve() / "libs"
    found = [match for jar in libs.glob("kafka-clients-*.jar") if (match := _CLIENTS.fullmatch(jar.name))]
    if not found:
        raise BrokerProcessError(
            f"KAFKA_HOME is {home}, where there is no libs/kafka-clients-*.jar",
            "set it to an unpacked Apache Kafka, or unset it to use the one that openmsistream fetches",
        )
    major, rest = found[0].groups()
    version = f"{major}.{rest}"
    if int(major) < OLDEST_MAJOR:
        raise BrokerProcessError(
            f"KAFKA_HOME is {home}, which holds Kafka {version}; {OLDEST_MAJOR}.0 or newer is needed",
            "unpack a newer one, or unset KAFKA_HOME to use the one that openmsistream fetches",
        )
    return Installation(version, str(libs / "*"), "KAFKA_HOME")
