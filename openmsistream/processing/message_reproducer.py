"""`ControlledMessageReproducer`: records of one topic become records of another, by code of a subclass."""

from __future__ import annotations

import argparse
import queue
import re
import threading
import time
from collections.abc import Sized
from pathlib import Path
from typing import Any

from openmsistream.kafka.clients import OpenMSIStreamProducer
from openmsistream.kafka.producible import Producible
from openmsistream.program import arguments
from openmsistream.program.announcing import Amount, Counts

from .messages import ControlledMessageProcessor


class ControlledMessageReproducer(ControlledMessageProcessor):
    """Runs `_process_message` of a subclass on every record, which puts what comes of it into `producer_message_queue`.

    What is in the queue is a `Producible`. Records are sent to `producer_topic_name` before the offsets of those that they
    came of are committed: at least once. `producer_callback`, where a subclass has one, is called for each when the broker
    has answered. One producer serves all threads; `n_producer_threads` is taken.
    """

    def __init__(
        self,
        config_path: str | Path,
        consumer_topic_name: str,
        producer_topic_name: str,
        *,
        filepath_regex: str | re.Pattern[str] | None = None,
        n_producer_threads: int = 1,
        n_consumer_threads: int = 2,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("n_threads", None)
        super().__init__(
            config_path, consumer_topic_name, filepath_regex,
            n_threads=n_consumer_threads, producer_topic_name=producer_topic_name, **kwargs,
        )  # fmt: skip
        self.n_producer_threads = n_producer_threads
        self.n_consumer_threads = n_consumer_threads
        self.producer_message_queue: queue.Queue[Producible | None] = queue.Queue()
        self.n_msgs_produced = 0
        self._bytes_produced = 0
        self._producer: OpenMSIStreamProducer | None = None
        self._sending = threading.Lock()

    def run(self) -> None:
        self._producer = self.get_new_producer()
        super().run()

    def before_commit(self, within: float) -> bool:
        """Send all that is in the queue; False when the broker has not answered for it in time."""
        assert self._producer is not None
        assert self.producer_topic_name is not None
        deadline = time.monotonic() + within
        with self._sending:
            while True:
                try:
                    result = self.producer_message_queue.get_nowait()
                except queue.Empty:
                    break
                if result is not None:
                    callback = getattr(self, "producer_callback", None)
                    left = max(0.0, deadline - time.monotonic())
                    if not self._producer.produce_object(result, self.producer_topic_name, callback, timeout=left):
                        self.producer_message_queue.put(result)
                        return False
                    self.n_msgs_produced += 1
                    self._bytes_produced += _size_of(result.msg_value)
            return self._producer.flush(max(0.0, deadline - time.monotonic())) == 0

    def _counts(self) -> Counts:
        return {**super()._counts(), "produced": Amount(self.n_msgs_produced, self._bytes_produced)}

    @classmethod
    def _add_threads(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--n_consumer_threads", type=arguments.positive_int, default=2, help="consumers that read side by side"
        )
        parser.add_argument("--n_producer_threads", type=arguments.positive_int, default=1, help="taken, not needed")

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        parsed_args.n_threads = parsed_args.n_consumer_threads
        args, kwargs = super().get_init_args_kwargs(parsed_args)
        del kwargs["n_threads"]
        threads = {
            "n_consumer_threads": parsed_args.n_consumer_threads,
            "n_producer_threads": parsed_args.n_producer_threads,
        }
        return args, {**kwargs, **threads}


def _size_of(value: object) -> int:
    return len(value) if isinstance(value, Sized) else 0
