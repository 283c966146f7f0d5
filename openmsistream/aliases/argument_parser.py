"""`OpenMSIStreamArgumentParser`: the parser class whose `ARGUMENTS` users' programs extend."""

from __future__ import annotations

from typing import ClassVar

from openmsistream.program import arguments
from openmsistream.program.named_arguments import NamedArguments, Table, table_of
from openmsistream.transfer import command_lines


class OpenMSIStreamArgumentParser(NamedArguments):
    """Knows the arguments of the three programs by name, and `optional_output_dir`, the option `--output_dir`."""

    ARGUMENTS: ClassVar[Table] = {
        **table_of(command_lines.of_upload_data_file()),
        **table_of(command_lines.of_download_directory()),
        **table_of(command_lines.of_upload_directory()),
        "optional_output_dir": ["optional", {"type": arguments.create_dir, "help": "the folder to write to"}],
    }
