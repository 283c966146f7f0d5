"""A processor that writes a file of results beside others, fails for some, and is told of what failed or was damaged.

Usage: results.py CONFIG TOPIC OUTPUT_DIR GROUP MODE
"""

import json
import sys
from pathlib import Path

from openmsistream import DataFileStreamProcessor


class ResultFileProcessor(DataFileStreamProcessor):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.told = self._output_dir / "told.txt"

    def _process_downloaded_data_file(self, datafile, lock):
        if "returns" in datafile.filename:
            return ValueError(f"{datafile.filename} cannot be understood")
        content = datafile.bytestring
        result = {
            "filename": datafile.filename,
            "filepath": datafile.filepath.relative_to(self._output_dir).as_posix(),
            "full_filepath": datafile.full_filepath.relative_to(self._output_dir).as_posix(),
            "relative_filepath": datafile.relative_filepath.as_posix(),
            "subdir_str": datafile.subdir_str,
            "n_total_chunks": datafile.n_total_chunks,
            "sha512": datafile.check_file_hash.hex(),
            "content": content.decode("latin-1"),
            "on disk": datafile.full_filepath.is_file(),
        }
        with lock:
            path = self._output_dir / "results" / f"{datafile.filename}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(result))
        return None

    def _failed_processing_callback(self, datafile, lock):
        self._tell("failed", datafile, lock)

    def _mismatched_hash_callback(self, datafile, lock):
        self._tell("mismatched", datafile, lock)

    def _tell(self, what, datafile, lock):
        with lock, self.told.open("a") as told:
            told.write(f"{what} {datafile.relative_filepath.as_posix()}\n")

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    config, topic, folder, group, mode = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    processor = ResultFileProcessor(config, topic, output_dir=Path(folder), consumer_group_id=group, mode=mode)
    print("READY", flush=True)
    print("RETURNED", processor.process_files_as_read()[2])
    processor.close()
