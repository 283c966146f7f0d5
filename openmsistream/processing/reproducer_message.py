"""What came of a data file, on its way to a topic: the class that programs written for OpenMSIStream derive theirs from."""

from __future__ import annotations

from typing import Any

from openmsistream.kafka.producible import Producible as Producible

from .data_file import DownloadDataFile


class ReproducerMessage(Producible):
    """What came of one data file: a subclass says what `msg_value` is.

    The key is `<prefix><filename>_chunk_processing_result`, where the prefix is the file's folder with "_" for each "/".
    """

    def __init__(self, datafile: DownloadDataFile, *_args: Any, **_kwargs: Any) -> None:
        self.datafile = datafile

    @property
    def msg_key(self) -> str:
        folder = self.datafile.subdir_str
        return f"{folder.replace('/', '_')}_{self.datafile.filename}_chunk_processing_result"

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        file = self.datafile
        return {
            "filename": file.filename,
            "rel_filepath": file.relative_filepath,
            "n_total_chunks": file.n_total_chunks,
        }

    def get_log_msg(self, print_every: int | None = None) -> str | None:
        return f"Producing processing result from {self.datafile.full_filepath}" if print_every else None
