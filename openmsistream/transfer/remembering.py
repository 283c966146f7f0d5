"""The place of a ledger in a container: one that this user can write to, and that outlives the container."""

from __future__ import annotations

import errno
import logging
import os
import secrets
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import LedgerError
from openmsistream.files.names import STATE_FOLDER

log = logging.getLogger(__name__)

_ELSEWHERE = (
    f"or keep the ledger elsewhere: -v openmsistream-state:{container.STATE} for docker run, --state_dir "
    f"{container.STATE} for the program"
)


def see_to(ledger: Path) -> None:
    """Raise LedgerError when a ledger cannot be written here, and warn when it goes with the container it is in.

    Outside of containers the ledger itself says what is wrong: nothing has to be told of mounted folders there.
    """
    if not container.inside():
        return
    folder = ledger.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".oms-{secrets.token_hex(8)}"
        probe.touch(exist_ok=False)
        probe.unlink()
        for file in folder.glob(f"{ledger.name}*"):  # somebody else may have run the program before, as root say
            if not os.access(file, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    except OSError as error:
        raise _unwritable(ledger, error) from error
    if not container.mount_of(folder).is_kept:
        log.warning(
            "what was done is remembered in %s, and that goes with this container: mount a folder (-v FOLDER:%s), or a "
            "container made anew begins from the beginning",
            folder, folder.absolute().parent if folder.name == STATE_FOLDER else folder.absolute(),
        )  # fmt: skip


def _unwritable(ledger: Path, error: OSError) -> LedgerError:
    place = Path(error.filename) if error.filename else ledger.parent
    if error.errno == errno.ENOSPC:
        advice = "make room there, then start again"
    else:
        advice = container.advice(place, error) or "make its folder writable"
        if error.errno == errno.EROFS:
            advice = f"{advice}, {_ELSEWHERE}"
    return LedgerError(f"the ledger {ledger} cannot be written: {error.strerror}", advice)
