"""Processors that mix in `Runnable` of openmsitoolbox, before our class and after it.

Usage: mixing_in.py first|last --config CONFIG --topic_name TOPIC --output_dir FOLDER
"""

import sys

from openmsistream.utilities import OpenMSIStreamArgumentParser
from openmsitoolbox import Runnable

from openmsistream import DataFileStreamProcessor


class Work:
    ARGUMENT_PARSER_TYPE = OpenMSIStreamArgumentParser

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.logger.info(f"made {type(self).__name__}")

    def _process_downloaded_data_file(self, datafile, lock):
        with lock, (self._output_dir / "sizes.txt").open("a") as sizes:
            sizes.write(f"{type(self).__name__} {datafile.filename} {len(datafile.bytestring)}\n")

    @classmethod
    def run_from_command_line(cls, args=None):
        parser = cls.get_argument_parser()
        parsed = parser.parse_args(args=args)
        init_args, init_kwargs = cls.get_init_args_kwargs(parsed)
        processor = cls(*init_args, **init_kwargs)
        print("READY", flush=True)
        processor.process_files_as_read()
        processor.close()
        print("RETURNED")


class Last(Work, DataFileStreamProcessor, Runnable):
    """As programs for the published package have it."""


def first():
    """Where the published package's class is a Runnable itself, Python refuses this order."""

    class First(Work, Runnable, DataFileStreamProcessor):
        pass

    return First


if __name__ == "__main__":
    kind = Last if sys.argv[1] == "last" else first()
    kind.run_from_command_line(sys.argv[2:])
