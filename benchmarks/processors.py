"""Programs under measurement: `python -m benchmarks.processors KIND CONFIG TOPIC OUTPUT GROUP SAID [SLEEP]`.

What they have done is told several times a second in the file SAID: how many files, and when the first and the last of them
was done, by the clock that all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openmsistream.processing.processor import DataFileStreamProcessor
from openmsistream.processing.reproducer import DataFileStreamReproducer
from openmsistream.processing.reproducer_message import ReproducerMessage

_EVERY = 0.02


class Told:
    """Tells when reading began, when the first files were done and how many, and the same of the last."""

    def __init__(self, said: Path, processor: DataFileStreamProcessor, count: Callable[[], int]) -> None:
        self._said = said
        self._processor = processor
        self._count = count
        threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        told = {"began": 0.0, "first": 0.0, "at_first": 0, "last": 0.0, "done": 0}
        while True:
            time.sleep(_EVERY)
            now, done = time.monotonic(), self._count()
            if not told["began"] and self._processor.n_msgs_read:
                told["began"] = now
            if done == told["done"]:
                continue
            if not told["done"]:
                told["first"], told["at_first"] = now, done
            told["last"], told["done"] = now, done
            beside = self._said.with_suffix(".tmp")
            beside.write_text(json.dumps(told))
            os.replace(beside, self._said)


class Counter(DataFileStreamProcessor):
    """Counts files, after a sleep when it is told to."""

    sleep = 0.0

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> None:
        if self.sleep:
            time.sleep(self.sleep)


class Length(ReproducerMessage):
    """How long a file is."""

    @property
    def msg_value(self) -> str:
        return str(self.datafile.size)


class Lengths(DataFileStreamReproducer):
    """Produces the length of each file."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Length:
        return Length(datafile)


def main() -> None:
    """One program."""
    kind, config, topic, output, group, said, *more = sys.argv[1:]
    sleep = float(more[0]) if more else 0.0
    if kind == "reproduce":
        lengths = Lengths(config, topic, f"{topic}-results", output_dir=output, consumer_group_id=group)
        Told(Path(said), lengths, lambda: lengths.n_results_produced_files)
        lengths.produce_processing_results_for_files_as_read()
        return
    counter = Counter(config, topic, output_dir=output, consumer_group_id=group, n_threads=1 if sleep else 2)
    counter.sleep = sleep
    Told(Path(said), counter, lambda: counter.n_processed_files)
    counter.process_files_as_read()


if __name__ == "__main__":
    main()
