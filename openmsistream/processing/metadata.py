"""`MetadataJSONReproducer`: what a subclass reads out of each file goes to another topic as JSON text."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .processor import HookError, only_named
from .reproducer import DataFileStreamReproducer
from .reproducer_message import ReproducerMessage


class MetadataJSONMessage(ReproducerMessage):
    """A dictionary of metadata as the result of a file."""

    def __init__(self, datafile: Any, *, json_content: dict[str, Any]) -> None:
        super().__init__(datafile)
        try:
            self._text = json.dumps(json_content)
        except (TypeError, ValueError) as error:
            raise HookError(
                f"the metadata of {datafile.relative_filepath} cannot be written as JSON ({error})",
                "keep to text, numbers, true, false, None, lists and dictionaries with such values",
            ) from error

    @property
    def msg_value(self) -> str:
        return self._text


class MetadataJSONReproducer(DataFileStreamReproducer):
    """Puts the metadata of each file of one topic on another topic, as JSON text.

    class Peaks(MetadataJSONReproducer):
        def _get_metadata_dict_for_file(self, datafile):
            return {"lines": datafile.bytestring.count(b"\\n")}
    """

    _NEEDED_HOOKS: ClassVar = ("_get_metadata_dict_for_file",)

    @only_named
    def _get_metadata_dict_for_file(self, datafile: Any) -> dict[str, Any]:
        """The metadata of one file. What it raises fails the file."""
        raise NotImplementedError

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> MetadataJSONMessage:
        metadata = self._get_metadata_dict_for_file(datafile)
        if not isinstance(metadata, dict):
            raise HookError(
                f"_get_metadata_dict_for_file of {type(self).__name__} gave back {metadata!r:.200}",
                "it has to give a dictionary",
            )
        return MetadataJSONMessage(datafile, json_content=metadata)
