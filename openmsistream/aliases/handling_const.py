"""`DATA_FILE_HANDLING_CONST`: the numbers that say what became of a chunk, for programs that read them by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataFileHandlingConstants:
    """Names and values are OpenMSIStream's; nothing here returns them."""

    FILE_HASH_MISMATCH_CODE: int = -1
    FILE_IN_PROGRESS: int = 2
    FILE_SUCCESSFULLY_RECONSTRUCTED_CODE: int = 3
    CHUNK_ALREADY_WRITTEN_CODE: int = 10
    GENERATION_RESET_CODE: int = 11


DATA_FILE_HANDLING_CONST = DataFileHandlingConstants()
