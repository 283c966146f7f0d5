"""What to send of a settled file, by what the ledger says of its path: nothing, a new version, or the rest of one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from openmsistream.files.chunk import FileState, new_generation
from openmsistream.ledger.sent import SentFile

RESUME_WITHIN = 3600.0
"""Seconds after its last acknowledgement within which an upload is resumed; later, readers may have given it up."""


@dataclass(frozen=True, slots=True)
class Version:
    """A generation to be sent. The first `resume_at` chunks are acknowledged already and have `resume_digest`.

    `compare_with`: only when the content has another digest than this. `abandon`: a generation that is given up before.
    """

    generation: str
    partition: int
    chunk_size: int
    resume_at: int = 0
    resume_digest: str | None = None
    first_offset: int | None = None
    compare_with: str | None = None
    abandon: str | None = None


def version_to_send(
    row: SentFile | None,
    state: FileState,
    *,
    partition: int,
    partitions: int,
    chunk_size: int,
    known_too: bool,
    now: float,
) -> Version | None:
    """The version to send of a file in this state; None when what it holds was sent, or is known and stays.

    `partition` is the one that the path's key belongs to; a path keeps the one that it had before partitions were added.
    """
    if row is None:
        return Version(new_generation(), partition, chunk_size)
    if row.partition is not None and row.partition < partitions:
        partition = row.partition
    if row.file == state and (row.state == "sent" or (row.state == "known" and not known_too)):
        return None
    if row.state == "sent" and (row.file.size, row.file.mtime_ns) == (state.size, state.mtime_ns):
        return Version(new_generation(), partition, chunk_size, compare_with=row.digest)
    if row.state != "sending" or row.generation is None:
        return Version(new_generation(), partition, chunk_size)
    if row.file == state and row.chunk_size and 0 <= now - row.updated < RESUME_WITHIN:
        return _rest_of(row, row.generation, partition, row.chunk_size)
    return Version(new_generation(), partition, chunk_size, abandon=row.generation)


def _rest_of(row: SentFile, generation: str, partition: int, chunk_size: int) -> Version:
    """Go on with a generation; its last chunk is sent in any case, so that there is one to be acknowledged."""
    chunks = max(1, -(-row.file.size // chunk_size))
    at = row.acked_chunks if row.acked_chunks < chunks else 0
    return Version(generation, partition, chunk_size, at, row.acked_digest if at else None, row.first_offset)
