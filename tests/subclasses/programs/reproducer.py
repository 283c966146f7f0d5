"""A reproducer: the number of bytes of each file becomes a record on another topic.

Usage: reproducer.py CONFIG CONSUMER_TOPIC PRODUCER_TOPIC OUTPUT_DIR GROUP
"""

import sys
from pathlib import Path

from openmsistream.data_file_io import ReproducerMessage

from openmsistream import DataFileStreamReproducer


class SizeMessage(ReproducerMessage):
    def __init__(self, datafile, *args, size, **kwargs):
        super().__init__(datafile, *args, **kwargs)
        self.size = size

    @property
    def msg_value(self):
        return f"{self.size} bytes"


class SizeReproducer(DataFileStreamReproducer):
    def _get_processing_result_message_for_file(self, datafile, lock):
        if "bad" in datafile.filename:
            return None
        return SizeMessage(datafile, size=len(datafile.bytestring))

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    config, consumer_topic, producer_topic, folder, group = sys.argv[1:]
    reproducer = SizeReproducer(
        config, consumer_topic, producer_topic, output_dir=Path(folder), mode="memory", consumer_group_id=group
    )
    print("READY", flush=True)
    n_read, n_processed, n_files, n_results, recent = reproducer.produce_processing_results_for_files_as_read()
    reproducer.close()
    print("RETURNED", n_files, n_results, sorted(Path(path).as_posix() for path in recent))
