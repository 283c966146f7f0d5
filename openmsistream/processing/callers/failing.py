"""What somebody's code raised, as an outcome: one line that names the place in their code, and the traceback."""

from __future__ import annotations

import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from openmsistream.errors import OpenMSIStreamError
from openmsistream.processing.work import Outcome

LONGEST_TRACE = 1 << 16
"""Characters of a traceback that are kept: the ledger holds one for each failed file, and a message may be of any length."""

LONGEST_LINE = 500
"""Characters of an exception's message that fit into one line that somebody reads."""

_ABOVE = Path(__file__).parents[1]
"""What is in this folder calls the user's code, and says nothing about it."""

_OURS = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_PACKAGES = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
_PYTHON = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
_THREAD = re.compile(r"\n(?=Thread |Current thread |Stack )")


def outcome_of(error: BaseException) -> Outcome:
    """The outcome of a run that raised this. `final` when the exception says `retriable = False`."""
    final = getattr(error, "retriable", True) is False
    kind = getattr(error, "kind", None) if isinstance(error, OpenMSIStreamError) else None
    return Outcome(failure=line(error), trace=trace(error), final=final, kind=kind)


def line(error: BaseException) -> str:
    """`TypeError: unsupported operand (analysis.py:12)`: the exception, and the innermost place in the user's code.

    Our own errors are sentences already and stay as they are.
    """
    if isinstance(error, OpenMSIStreamError):
        return shortened(str(error))
    return f"{_said(error)}{_place(error)}"


def trace(error: BaseException) -> str:
    """The traceback as text, without the frames of ours that led to the user's code, and not longer than LONGEST_TRACE."""
    try:
        whole = traceback.TracebackException(type(error), error, _theirs(error.__traceback__), compact=True)
        return cut("".join(whole.format()))
    except Exception as second:  # noqa: BLE001 - what an exception says of itself is the user's code, too
        return f"{type(error).__qualname__}; its traceback could not be written: {type(second).__qualname__}\n"


def of_crash(dump: str) -> str:
    """What faulthandler wrote of a crash or a hang, without our thread and without the frames that led to the user's code."""
    threads = (_without_ours(part.splitlines()) for part in _THREAD.split(dump))
    return cut("\n".join(line for thread in threads for line in thread))


def cut(text: str) -> str:
    """Text of bounded length; of a longer one the middle is left out, since its end says most."""
    if len(text) <= LONGEST_TRACE:
        return text
    head, tail = LONGEST_TRACE // 4, LONGEST_TRACE // 2
    return f"{text[:head]}\n... {len(text) - head - tail} characters left out ...\n{text[-tail:]}"


def shortened(text: str) -> str:
    """A message as one line of bounded length."""
    flat = " ".join(text[: 4 * LONGEST_LINE].split())
    return flat if len(flat) <= LONGEST_LINE else flat[: LONGEST_LINE - 4] + " ..."


def _without_ours(thread: list[str]) -> list[str]:
    first = next((number for number, line in enumerate(thread) if f'File "{_HERE}' in line), len(thread))
    return [] if first < len(thread) and thread[first].endswith(" in watch") else thread[:first]


def _said(error: BaseException) -> str:
    kind = type(error).__qualname__
    if isinstance(error, SystemExit):
        return f"it called for the end of the program (SystemExit: {shortened(str(error))}) instead of returning"
    try:
        text = shortened(str(error))
    except Exception:  # noqa: BLE001 - see `trace`
        return f"{kind}, whose message cannot be read"
    if isinstance(error, MemoryError) and not text:
        text = "there was not enough memory"
    if isinstance(error, KeyboardInterrupt):
        text = text or "raised by the function itself; the program was not interrupted"
    return f"{kind}: {text}" if text else kind


def _place(error: BaseException) -> str:
    """Where in the user's code; nothing when none of it was running, as for an exception that a hook gave back."""
    frames = list(_frames(_theirs(error.__traceback__)))
    first = frames[0][0] if frames else None
    if first is None or _is_of_python(first) or _is_below(first, {_OURS}):
        return ""
    # a user's package may be an installed one, too, as libraries are; it is the one that was called first
    theirs = [at for at in frames if _package(at[0]) == _package(first) or not _is_installed(at[0])]
    frame, number = theirs[-1]
    return f" ({Path(frame.f_code.co_filename).name}:{number})"


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """The traceback below the frames that called the user's code; all of it when there is nothing below."""
    below = trace
    while below is not None and _is_below(below.tb_frame, {_ABOVE}):
        below = below.tb_next
    return below or trace


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_of_python(frame: FrameType) -> bool:
    if frame.f_code.co_filename.startswith("<frozen"):
        return True
    return _is_below(frame, _PYTHON) and not _is_below(frame, _PACKAGES)


def _is_installed(frame: FrameType) -> bool:
    return _is_of_python(frame) or _is_below(frame, {*_PACKAGES, _OURS})


def _is_below(frame: FrameType, folders: set[Path]) -> bool:
    place = Path(frame.f_code.co_filename)
    return any(place.is_relative_to(folder) for folder in folders)
