"""A program: each run of its function begins and ends with a line in a file that is named by OMS_RAN."""

from __future__ import annotations

import os
import time
from typing import Any

from openmsistream import DataFileStreamProcessor


class CountingProcessor(DataFileStreamProcessor):
    """Writes down which files it was given."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> None:
        self._write(f"{datafile.relative_filepath} began")
        time.sleep(float(os.environ.get("OMS_SLEEP", "0")))
        if os.environ.get("OMS_DIES_AT") == datafile.filename:
            os.kill(os.getpid(), 9)
        self._write(f"{datafile.relative_filepath} {len(datafile.bytestring)}")

    def _write(self, line: str) -> None:
        with open(os.environ["OMS_RAN"], "a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    CountingProcessor.run_from_command_line()
