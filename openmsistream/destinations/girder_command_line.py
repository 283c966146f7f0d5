"""The command line of GirderUploadStreamProcessor, apart from what it starts: to be shown or refused it needs nothing else."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from openmsistream.errors import UsageError
from openmsistream.processing.command_lines import add_processing
from openmsistream.program import arguments, options

from .girder_key import FILE_VARIABLE, KEY_VARIABLE, without_keys

GIRDER_UPLOAD = "GirderUploadStreamProcessor"
DEFAULT_COLLECTION = "WholeTale Catalog"


def girder_upload(args: list[str] | None = None) -> None:
    """The program GirderUploadStreamProcessor; ends by SystemExit."""
    parsed = of_girder_upload().parse_args(args)
    if args is None:
        hide(parsed.girder_api_key)
    from .girder_processor import main

    main(args)


def of_girder_upload(name: str = GIRDER_UPLOAD) -> argparse.ArgumentParser:
    """GirderUploadStreamProcessor, or a subclass of another name."""
    made = KeyMayBeLeftOut(
        prog=name, description="Upload every file of a topic to a Girder server, as soon as the file is whole.",
        formatter_class=arguments.WithDefaults,
    )  # fmt: skip
    made.add_argument("girder_api_url", help="the server, such as https://girder.example.org/api/v1")
    made.add_argument(
        "girder_api_key", nargs="?",
        help=f"an API key; better left out, with the key in {KEY_VARIABLE} or in a file, since others see command lines",
    )  # fmt: skip
    arguments.add_connection(made)
    group = made.add_argument_group("Girder")
    group.add_argument(
        "--girder_api_key_file", type=Path, metavar="FILE",
        help=f"a file that holds the API key (default: that of {FILE_VARIABLE})",
    )  # fmt: skip
    group.add_argument(
        "--girder_root_folder_id", metavar="ID", help="put files below this folder, and not below a collection"
    )
    group.add_argument(
        "--collection_name", metavar="NAME",
        help=f"the collection, made when it is missing (default: {DEFAULT_COLLECTION})",
    )  # fmt: skip
    group.add_argument(
        "--girder_root_folder_path", metavar="PATH",
        help="the folder in the collection below which files are put (default: COLLECTION/TOPIC)",
    )  # fmt: skip
    group.add_argument(
        "--public", action="store_true", help="a collection that has to be made may be read by everybody"
    )
    group.add_argument(
        "--metadata", type=_json_object, metavar="JSON", help="a JSON object with metadata for every item and folder"
    )
    group.add_argument(
        "--replace_existing", action="store_true", help="replace an item that has other content (else it is kept)"
    )
    add_processing(made, name)
    options.add_common(made)
    return made


def metadata_of(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Metadata as an object of JSON. Raises UsageError."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    try:
        read = json.loads(given)
    except ValueError as error:
        raise UsageError(f"metadata are not JSON: {error}", _EXAMPLE) from error
    if not isinstance(read, dict):
        raise UsageError("metadata are JSON, but not an object", _EXAMPLE)
    return read


_EXAMPLE = """give an object such as '{"instrument": "XRD 2"}', in quotes that keep the shell from changing it"""


def _json_object(text: str) -> str:
    try:
        metadata_of(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


class KeyMayBeLeftOut(arguments.OneLine):
    """A parser that takes the key also when options stand between it and the URL, as `URL --config lab KEY`."""

    _inside = False

    def error(self, message: str) -> NoReturn:
        super().error(without_keys(message))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it, which would otherwise (before Python 3.13) take the key as left out there."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def hide(key: str | None) -> None:
    """Start this program again with the key in its environment, where it stood on the command line.

    Everybody on a machine may read the command lines of all programs. The process stays the same one. Where a process
    cannot become another program (Windows), and where the key is a word that stands there twice, nothing is done.
    """
    if not key or os.name != "posix" or sys.orig_argv.count(key) != 1:
        return
    rest = [word for word in sys.orig_argv[1:] if word != key]
    os.execve(sys.executable, [sys.executable, *rest], {**os.environ, KEY_VARIABLE: key})
