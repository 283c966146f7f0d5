"""A processor with a class of its own for data files, which knows how to read them.

Usage: own_datafile.py CONFIG TOPIC OUTPUT_DIR GROUP
"""

import sys
from pathlib import Path

from openmsistream.data_file_io import DownloadDataFileToMemory

from openmsistream import DataFileStreamProcessor


class Table(DownloadDataFileToMemory):
    def __init__(self, *args, separator="?", **kwargs):
        super().__init__(*args, **kwargs)
        self.separator = separator

    @property
    def rows(self):
        return [line.split(self.separator) for line in self.bytestring.decode().splitlines()]


class TableProcessor(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        with lock, (self._output_dir / "rows.txt").open("a") as text:
            text.write(f"{datafile.filename} {datafile.rows} {type(datafile).__name__}\n")

    @property
    def other_datafile_kwargs(self):
        return {"separator": ";"}

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    config, topic, folder, group = sys.argv[1:]
    processor = TableProcessor(
        config, topic, output_dir=Path(folder), datafile_type=Table, consumer_group_id=group, n_threads=1
    )
    print("READY", flush=True)
    processor.process_files_as_read()
    processor.close()
    print("RETURNED")
