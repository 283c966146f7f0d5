"""A processor of single records that mixes in `Runnable` of openmsitoolbox, which makes it a program.

Usage: mixing_records.py --config CONFIG --topic_name TOPIC
"""

from openmsistream.kafka_wrapper.controlled_message_processor import ControlledMessageProcessor
from openmsistream.utilities import OpenMSIStreamArgumentParser
from openmsitoolbox import Runnable


class PrintingMessageProcessor(Runnable, ControlledMessageProcessor):
    ARGUMENT_PARSER_TYPE = OpenMSIStreamArgumentParser

    def _process_message(self, lock, msg):
        with lock:
            print("GOT", msg.value(), flush=True)
        return True

    def _on_check(self):
        pass

    @classmethod
    def get_command_line_arguments(cls):
        superargs, superkwargs = super().get_command_line_arguments()
        return superargs, {**superkwargs, "n_threads": 1}

    @classmethod
    def run_from_command_line(cls, args=None):
        parser = cls.get_argument_parser()
        parsed = parser.parse_args(args=args)
        init_args, init_kwargs = cls.get_init_args_kwargs(parsed)
        processor = cls(*init_args, **init_kwargs)
        processor.run()
        processor.close()


if __name__ == "__main__":
    PrintingMessageProcessor.run_from_command_line()
