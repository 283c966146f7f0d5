"""What to send of a settled file, by what the ledger says of its path: nothing, a new version, or the rest of one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from openmsistream.files.chunk import FileState
from openmsistream.files.wire import Form
from openmsistream.ledger.sent import SentFile

RESUME_WITHIN = 3600.0
"""Seconds after its last acknowledgement within which an upload is resumed; later, readers may have given it up."""


@dataclass(frozen=True, slots=True)
class Version:
    """A generation to be sent. The first `resume_at` chunks are acknowledged already and have `resume_digest`.

    `resume_whole`: what the digest of the whole file has to be for that, where it was read before its chunks were sent.
    `compare_with`: only when the content has another digest than this. `abandon`: a generation that is given up before.
    `first_twice`: chunk 0 is sent twice. `last_news`: when one that is gone on with was begun or last acknowledged.
    """

    generation: str
    partition: int
    chunk_size: int
    resume_at: int = 0
    resume_digest: str | None = None
    resume_whole: str | None = None
    first_offset: int | None = None
    compare_with: str | None = None
    abandon: str | None = None
    first_twice: bool = False
    last_news: float | None = None


def version_to_send(
    row: SentFile | None,
    state: FileState,
    form: Form,
    *,
    partition: int,
    partitions: int,
    chunk_size: int,
    known_too: bool,
    now: float,
    all_of_it: bool = True,
) -> Version | None:
    """The version to send of a file in this state; None when what it holds was sent, or is known and stays.

    `partition` is the one that the path's key belongs to; a path keeps the one that it had before partitions were added.
    Where not `all_of_it` is sent an interrupted upload is begun anew, since the choice may have changed meanwhile; so is one
    of chosen bytes, whose row has no chunk size.
    """
    if row is None:
        return Version(form.new_generation(), partition, chunk_size)
    if row.partition is not None and row.partition < partitions:
        partition = row.partition
    if row.file == state and (row.state == "sent" or (row.state == "known" and not known_too)):
        return None
    new = Version(form.new_generation(), partition, chunk_size, first_twice=_is_lost(row, form))
    if row.state == "sent" and (row.file.size, row.file.mtime_ns) == (state.size, state.mtime_ns):
        return replace(new, compare_with=row.digest)
    if row.state != "sending" or row.generation is None:
        return new
    recent = row.file == state and now - row.updated >= 0 and not given_up_by_readers(row.updated, now)
    if recent and all_of_it and row.chunk_size and form.began(row.generation):
        return _rest_of(row, row.generation, new, row.chunk_size, form)
    return replace(new, abandon=row.generation)


def given_up_by_readers(last_news: float, now: float) -> bool:
    """May a generation have been given up of which nothing has come since then?"""
    return now - last_news >= RESUME_WITHIN


def _is_lost(row: SentFile, form: Form) -> bool:
    """Would OpenMSIStream's readers lose the chunk that follows? They do when they hold a part of what came before it:

    of a generation that was not sent to its end, or of chunks that were repeated when it was complete already.
    """
    if not form.digest_first or row.generation is None or not form.began(row.generation):
        return False
    return row.resumed or row.state not in ("sent", "known")


def _rest_of(row: SentFile, generation: str, new: Version, chunk_size: int, form: Form) -> Version:
    """Go on with a generation; its last chunk is sent in any case, so that there is one to be acknowledged."""
    chunks = max(1, -(-row.file.size // chunk_size))
    at = row.acked_chunks if row.acked_chunks < chunks else 0
    if form.digest_first and not at:
        return new
    return Version(
        generation, new.partition, chunk_size, at, row.acked_digest if at else None,
        row.digest if form.digest_first else None, row.first_offset, last_news=row.updated,
    )  # fmt: skip
