"""A processor with options of its own, as the tutorial for such programs makes it.

Usage: own_options.py NORTH --config CONFIG --topic_name TOPIC --output_dir FOLDER --factor 3
"""

from openmsistream.utilities import OpenMSIStreamArgumentParser

from openmsistream import DataFileStreamProcessor


class LabArgumentParser(OpenMSIStreamArgumentParser):
    ARGUMENTS = {  # noqa: RUF012 - as users write it
        **OpenMSIStreamArgumentParser.ARGUMENTS,
        "lab": ["positional", {"help": "name of the laboratory"}],
        "factor": ["optional", {"type": int, "default": 2, "help": "what sums are multiplied by"}],
        "optional_summary_name": ["optional", {"default": "summary.txt", "help": "file to write to"}],
    }


class SumProcessor(DataFileStreamProcessor):
    ARGUMENT_PARSER_TYPE = LabArgumentParser

    def __init__(self, lab, config_file, topic_name, *, factor=1, summary_name="none", **kwargs):
        super().__init__(config_file, topic_name, **kwargs)
        self.lab, self.factor = lab, factor
        self.summary = self._output_dir / summary_name

    def _process_downloaded_data_file(self, datafile, lock):
        total = self.factor * sum(int(number) for number in datafile.bytestring.split())
        with lock, self.summary.open("a") as summary:
            summary.write(f"{self.lab} {datafile.filename} {total} {self.consumer_topic_name}\n")

    @classmethod
    def get_command_line_arguments(cls):
        superargs, superkwargs = super().get_command_line_arguments()
        args = [*superargs, "lab", "factor", "optional_summary_name"]
        kwargs = {**superkwargs, "n_threads": 3}
        return args, kwargs

    @classmethod
    def get_init_args_kwargs(cls, parsed_args):
        superargs, superkwargs = super().get_init_args_kwargs(parsed_args)
        args = [parsed_args.lab, *superargs]
        kwargs = {**superkwargs, "factor": parsed_args.factor, "summary_name": parsed_args.summary_name}
        return args, kwargs

    @classmethod
    def run_from_command_line(cls, args=None):
        parser = cls.get_argument_parser()
        parsed = parser.parse_args(args=args)
        init_args, init_kwargs = cls.get_init_args_kwargs(parsed)
        processor = cls(*init_args, **init_kwargs)
        print(f"THREADS {parsed.n_threads}", flush=True)
        processor.process_files_as_read()
        processor.close()


if __name__ == "__main__":
    SumProcessor.run_from_command_line()
