"""A program: what comes of each file is its path and length. Each run leaves a line in a file that is named by OMS_RAN."""

from __future__ import annotations

import os
import time
from typing import Any

from openmsistream.processing.reproducer import DataFileStreamReproducer
from openmsistream.processing.reproducer_message import ReproducerMessage


class Length(ReproducerMessage):
    """The length of a file as text."""

    @property
    def msg_value(self) -> str:
        return f"{self.datafile.relative_filepath.as_posix()}:{len(self.datafile.bytestring)}"


class LengthReproducer(DataFileStreamReproducer):
    """Produces the length of each file."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Length:
        if ran := os.environ.get("OMS_RAN"):
            with lock, open(ran, "a", encoding="utf-8") as file:
                file.write(f"{datafile.relative_filepath}\n")
        time.sleep(float(os.environ.get("OMS_SLEEP", "0")))
        return Length(datafile)


if __name__ == "__main__":
    LengthReproducer.run_from_command_line()
