"""`OpenMSIStreamArgumentParser`: the parser class whose `ARGUMENTS` users' programs extend."""

from __future__ import annotations

from typing import ClassVar

from openmsistream.destinations.command_lines import of_s3_transfer
from openmsistream.destinations.girder_command_line import of_girder_upload
from openmsistream.processing.command_lines import processor_parser
from openmsistream.program import arguments
from openmsistream.program.named_arguments import NamedArguments, Table, table_of
from openmsistream.transfer import command_lines

_THREADS: Table = {
    name: ["optional", {"type": arguments.positive_int, "default": number, "help": told}]
    for name, number, told in (
        ("n_consumer_threads", 2, "files that are worked on side by side"),
        ("n_producer_threads", 1, "taken, not needed any more"),
    )
}


class OpenMSIStreamArgumentParser(NamedArguments):
    """Knows the arguments of all programs by name; `optional_output_dir` is the option `--output_dir`."""

    ARGUMENTS: ClassVar[Table] = {
        **table_of(of_girder_upload()),
        **table_of(of_s3_transfer()),
        **table_of(processor_parser("processor", "")),
        **_THREADS,
        **table_of(command_lines.of_upload_data_file()),
        **table_of(command_lines.of_download_directory()),
        **table_of(command_lines.of_upload_directory()),
        "optional_output_dir": ["optional", {"type": arguments.create_dir, "help": "the folder to write to"}],
    }
