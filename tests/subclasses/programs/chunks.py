"""A processor that looks at every chunk on its way, and leaves the rest to its base class.

Usage: chunks.py CONFIG TOPIC OUTPUT_DIR GROUP
"""

import sys
from pathlib import Path

from openmsistream import DataFileStreamProcessor


class ChunkCountingProcessor(DataFileStreamProcessor):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = []

    def _process_message(self, lock, msg, *args, **kwargs):
        chunk = msg.value()
        with self.lock:
            self.seen.append((chunk.subdir_str, chunk.filename, chunk.chunk_i, len(chunk.data)))
        return super()._process_message(lock, msg, *args, **kwargs)

    def _process_downloaded_data_file(self, datafile, lock):
        with self.lock, (self._output_dir / "chunks.txt").open("a") as text:
            mine = [c for c in self.seen if (c[0], c[1]) == (datafile.subdir_str, datafile.filename)]
            text.write(f"{datafile.relative_filepath.as_posix()} {sorted(mine)}\n")

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    config, topic, folder, group = sys.argv[1:]
    processor = ChunkCountingProcessor(config, topic, output_dir=Path(folder), consumer_group_id=group, n_threads=1)
    print("READY", flush=True)
    processor.process_files_as_read()
    processor.close()
    print("RETURNED")
