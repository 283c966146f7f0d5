"""A program for the published package, run by its Python: every file that it is handed is written to a folder.

Usage: copying_processor.py CONFIG TOPIC TARGET
"""

import sys
from pathlib import Path

from openmsistream import DataFileStreamProcessor


class Copying(DataFileStreamProcessor):
    """Users' processors look like this one."""

    def _process_downloaded_data_file(self, datafile, lock):
        target = Path(sys.argv[3]) / datafile.relative_filepath
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            target.write_bytes(datafile.bytestring)

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


processor = Copying(sys.argv[1], sys.argv[2], output_dir=Path(sys.argv[3]) / "LOGS", mode="memory")
print("reading", flush=True)
processor.process_files_as_read()
processor.close()
