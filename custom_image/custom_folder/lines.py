"""A small stream processor: for each file of the topic, how many lines it has, in data/lines/<file>.txt.

    MODULE=python custom_folder/lines.py
"""

from pathlib import Path

from openmsistream import DataFileStreamProcessor


class LineCounter(DataFileStreamProcessor):
    """Count the lines of every file of a topic."""

    def _process_downloaded_data_file(self, datafile, lock):
        lines = datafile.bytestring.count(b"\n")
        result = Path("data", "lines", f"{datafile.relative_filepath}.txt")
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text(f"{lines}\n")
        self.logger.info("%s has %d lines", datafile.relative_filepath, lines)
        return None  # or an exception, which lists the file as failed


if __name__ == "__main__":
    LineCounter.run_from_command_line()
