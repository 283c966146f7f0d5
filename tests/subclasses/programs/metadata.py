"""A reproducer of metadata: what the header of a file says becomes a record of JSON on another topic.

Usage: metadata.py CONFIG CONSUMER_TOPIC PRODUCER_TOPIC OUTPUT_DIR GROUP
"""

import sys
from pathlib import Path

from openmsistream import MetadataJSONReproducer


class HeaderMetadata(MetadataJSONReproducer):
    def _get_metadata_dict_for_file(self, datafile):
        first = datafile.bytestring.decode().splitlines()[0]
        found = dict(part.split("=") for part in first.split(","))
        return {"name": datafile.filename, **found}

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    config, consumer_topic, producer_topic, folder, group = sys.argv[1:]
    reproducer = HeaderMetadata(
        config, consumer_topic, producer_topic, output_dir=Path(folder), mode="memory", consumer_group_id=group
    )
    print("READY", flush=True)
    n_read, n_processed, n_files, n_results, recent = reproducer.produce_processing_results_for_files_as_read()
    reproducer.close()
    print("RETURNED", n_files, n_results, sorted(Path(path).as_posix() for path in recent))
