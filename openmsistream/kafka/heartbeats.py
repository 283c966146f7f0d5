"""Heartbeats and log messages on topics: a thread beside the work tells of a program at its intervals."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.config.announcements import HEARTBEAT, LOG, Announcements, announcements
from openmsistream.config.properties import BOOTSTRAP
from openmsistream.config.secret import hidden
from openmsistream.ledger.location import host_name
from openmsistream.program.announcing import NOTHING, Announcer, Channel
from openmsistream.program.log_lines import MOST, LogLines, listening
from openmsistream.program.options import CommonOptions

from .checked import check
from .side_producer import SideProducer

log = logging.getLogger(__name__)

_LAST_WORD = 1.0
"""Seconds for the last heartbeat and what was logged last: a stop has to wait for them, and it has 8 in all."""

_LISTENS_EVERY = 0.5
"""Seconds between looks at what became of a record, as long as one is on its way."""

_MOST_RECORDS = 100
"""Records of log messages in one go; all that is kept of them fits in fewer."""


@contextmanager
def announcing(
    program: Announcer, common: CommonOptions, settings: Settings, folder: Path, topic: str, secrets: Iterable[str] = ()
) -> Iterator[None]:
    """Tell of a program on the topics that its arguments name, as long as the `with` lasts; nothing where they name none.

    One heartbeat leaves at once and one at the end. The default name of the program comes from the folder and the topic
    that it works with. `secrets` are hidden in log messages, beside those of the settings; an exception that ends the
    `with` is the last message. Raises ConfigError for settings that cannot be used; what goes wrong later is said once
    and disturbs nothing.
    """
    name = ""
    if common.heartbeats is not None or common.log_records is not None:
        name = default_program_id(type(program).__name__, folder, topic, common.state_dir)
    producers = _Producers(settings)
    kinds: list[_Kind] = []
    with ExitStack() as stack:
        if (beats := common.heartbeats) is not None:
            program._heartbeat_program_id = beats.program_id or name
            program._told = NOTHING
            producer = producers.of(HEARTBEAT, announcements(settings, HEARTBEAT))
            kinds.append(_Kind("heartbeats", program._heartbeat_program_id, beats, producer, partial(_beat, program)))
        if (logged := common.log_records) is not None:
            program._log_program_id = logged.program_id or name
            how = announcements(settings, LOG)
            producer = producers.of(LOG, how)
            lines = LogLines(how.level, how.most or MOST, partial(hidden, secrets={*settings.secrets, *secrets}))
            program._log_lines = stack.enter_context(listening(lines))
            kinds.append(_Kind("log messages", program._log_program_id, logged, producer, partial(_logged, program)))
        if kinds:
            stack.enter_context(_Telling(kinds, producers.made))
        if program._log_lines is not None:
            stack.enter_context(_last_message(program._log_lines))
        yield


def default_program_id(program: str, folder: Path, topic: str, state_dir: Path | None = None) -> str:
    """The name of a program on topics where none is given: the same after a restart, another for another folder or topic."""
    host = host_name(None if folder == Path() else folder, state_dir)
    place = f"{folder.absolute()}\n{topic}".encode("utf-8", "surrogateescape")
    return f"{program}-{host}-{hashlib.sha256(place).hexdigest()[:8]}"


def _beat(program: Announcer) -> Iterator[object]:
    yield program.get_heartbeat_message()


def _logged(program: Announcer) -> Iterator[object]:
    """Records until nothing is left of what was logged; none when nothing was."""
    lines = program._log_lines
    for _ in range(_MOST_RECORDS):
        if lines is None or not (before := len(lines)):
            return
        yield program.get_log_message()
        if len(lines) >= before:  # somebody's own message, which has not taken any
            return


@contextmanager
def _last_message(lines: LogLines) -> Iterator[None]:
    """What ends a program is told by its last line on standard error, which is not logged."""
    try:
        yield
    except Exception as error:
        lines.note(str(error) or type(error).__name__)
        raise


class _Producers:
    """The producers of one program: heartbeats and log messages share one where their settings are the same."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared: list[tuple[dict[str, str], SideProducer]] = []
        self.made: list[SideProducer] = []

    def of(self, section: str, how: Announcements) -> SideProducer:
        check((*self._settings.unknown, *how.unknown))
        properties = how.client.properties
        for others, producer in self._shared:
            if others == properties and not how.separate:
                return producer
        clients = (self._settings.producer, self._settings.consumer)
        elsewhere = all(properties[BOOTSTRAP] != client.shown.get(BOOTSTRAP) for client in clients)
        made = SideProducer(properties, f"[broker], [producer] or [{section}]", silent=not elsewhere)
        self.made.append(made)
        if not how.separate:
            self._shared.append((properties, made))
        return made


@dataclass
class _Kind:
    """One kind of announcements, and when the next is due."""

    what: str
    program_id: str
    channel: Channel
    producer: SideProducer
    compose: Callable[[], Iterable[object]]
    due: float = 0.0


class _Telling:
    """The thread. It begins with the `with` and ends with it, after a last word."""

    def __init__(self, kinds: Sequence[_Kind], producers: Sequence[SideProducer]) -> None:
        self._kinds = kinds
        self._producers = producers
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def __enter__(self) -> None:
        for kind in self._kinds:
            to = kind.channel
            log.info("%s go to topic %s every %g s under the name %s", kind.what, to.topic, to.every, kind.program_id)
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._deadline = time.monotonic() + _LAST_WORD
        self._stopping.set()
        self._thread.join(_LAST_WORD + 0.2)

    def _run(self) -> None:
        for kind in self._kinds:
            kind.producer.prepare(kind.channel.topic)
            kind.due = time.monotonic()
        stopping = False
        while not stopping:
            for kind in self._kinds:
                self._tell_when_due(kind)
            for producer in self._producers:
                producer.poll()
            stopping = self._stopping.wait(self._patience())
        for kind in self._kinds:
            self._tell(kind)
        for producer in self._producers:
            producer.close(self._deadline - time.monotonic())

    def _tell_when_due(self, kind: _Kind) -> None:
        """While no broker takes anything nothing is added: the next heartbeat then counts all that was done meanwhile."""
        now = time.monotonic()
        if now >= kind.due and not kind.producer.away:
            self._tell(kind)
            kind.due = max(kind.due + kind.channel.every, now)

    def _patience(self) -> float:
        """Seconds until there is something to do."""
        if any(producer.away for producer in self._producers):
            return _LISTENS_EVERY
        patience = max(0.0, min(kind.due for kind in self._kinds) - time.monotonic())
        return min(patience, _LISTENS_EVERY) if any(producer.busy for producer in self._producers) else patience

    def _tell(self, kind: _Kind) -> None:
        try:
            for message in kind.compose():
                if message is not None:
                    kind.producer.send(kind.channel.topic, *_record(message))
        except Exception as error:  # it may be somebody's own message
            if kind.what not in self._failed:
                self._failed.add(kind.what)
                log.warning("%s are not sent: %s; the program goes on without them", kind.what, error, exc_info=True)


def _record(message: object) -> tuple[str | bytes, str | bytes]:
    """Key and value of a message, which may be of a class of somebody's own."""
    key, value = getattr(message, "msg_key", None), getattr(message, "msg_value", None)
    if isinstance(key, str | bytes) and isinstance(value, str | bytes):
        return key, value
    raise TypeError(f"{message!r} has no texts msg_key and msg_value")
