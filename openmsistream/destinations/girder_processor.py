"""The program GirderUploadStreamProcessor and its class: every file of a topic becomes an item on a Girder server."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openmsistream.errors import OpenMSIStreamError
from openmsistream.processing.file import File
from openmsistream.processing.processor import DataFileStreamProcessor, processing_of

from . import girder_command_line
from .girder import GirderDestination, Stored, metadata_for
from .girder_command_line import metadata_of
from .girder_connection import Connection
from .girder_folders import Root
from .girder_key import ApiKey
from .girder_patience import Patience

log = logging.getLogger(__name__)


class GirderUploadStreamProcessor(DataFileStreamProcessor):
    """Uploads every file of a topic to a Girder server, in folders as they were where it was sent from.

    The arguments are those of OpenMSIStream. `girder_api_key` may be None: the key is then in the file that
    `girder_api_key_file` names, in GIRDER_API_KEY, or in the file that GIRDER_API_KEY_FILE names. Files go below the folder
    with `girder_root_folder_id`, or below `girder_root_folder_path` (default `<collection>/<topic>`) in the collection
    `collection_name`; both are made when they are missing, and not public unless `public`. `metadata` is a JSON object, as
    text or as a dictionary. With `replace_existing` an item with other content is replaced, without it kept.

    In mode "disk" the local copy of a file that is in Girder is removed, unless `delete_on_disk_mode` is False; in
    mode "both" it stays. Further keyword arguments are those of DataFileStreamProcessor.

    A subclass with metadata of its own for each file:

        def _process_downloaded_data_file(self, datafile, lock):
            return self.upload_file(datafile, metadata={"sample": datafile.filename.split("_")[0]})
    """

    def __init__(
        self,
        girder_api_url: str,
        girder_api_key: str | None,
        config_file: str | Path,
        topic_name: str,
        *,
        girder_root_folder_id: str | None = None,
        collection_name: str | None = None,
        girder_root_folder_path: str | None = None,
        metadata: str | Mapping[str, Any] | None = None,
        replace_existing: bool = False,
        public: bool = False,
        girder_api_key_file: str | Path | None = None,
        delete_on_disk_mode: bool = True,
        **kwargs: Any,
    ) -> None:
        root = Root.of(topic_name, girder_root_folder_id, collection_name, girder_root_folder_path, public)
        described = metadata_for(topic_name, metadata_of(metadata))
        key = ApiKey.find(girder_api_key, girder_api_key_file)
        connection = Connection(girder_api_url, key, f"{type(self).__name__}; {topic_name}")
        super().__init__(config_file, topic_name, **kwargs)
        self._key = key
        self.delete_on_disk_mode = delete_on_disk_mode
        self.destination = GirderDestination(
            connection, root, described, replace_existing=replace_existing, patience=Patience(through_outages=True)
        )

    def process_files_as_read(self) -> tuple[int, int, int, list[Path]]:
        """Upload files until "q" is put into `control_command_queue` or a signal comes.

        Gives the numbers of records read, of records used, of files uploaded, and the paths of the last of these. Raises
        DestinationError at once when the server cannot be reached, or when it refuses the key or the root folder.
        """
        self.destination.check()
        log.info("files go to %s at %s", self.destination.root, self.destination.url)
        return super().process_files_as_read()

    def upload_file(self, datafile: Any, metadata: Mapping[str, Any] | None = None) -> BaseException | None:
        """Upload one file, with more metadata for its item. Gives None when it is in Girder, else the exception.

        A file that is in Girder with the same content is done; so is one that is there with other content, which is said in
        a warning, unless it is to be replaced.
        """
        file: File = datafile.file
        try:
            stored = self.destination.upload(file, metadata)
        except (OpenMSIStreamError, OSError) as error:
            return error
        log.debug("%s: %s", file.path, stored.value)
        if stored is not Stored.OTHER_KEPT:
            self._remove_copy(file)
        return None

    def _remove_copy(self, file: File) -> None:
        """What is in Girder need not fill this disk as well. No newer version can be there yet: those wait for this one."""
        if self._options.mode != "disk" or not self.delete_on_disk_mode or file.place is None:
            return
        try:
            file.place.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the copy of %s stays: %s", file.path, error.strerror or error)

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> BaseException | None:
        return self.upload_file(datafile)

    def __process_downloaded_data_file(
        self, datafile: Any, metadata: Mapping[str, Any] | None = None
    ) -> BaseException | None:
        """`upload_file`, under the name by which programs written for OpenMSIStream call it."""
        return self.upload_file(datafile, metadata)

    def _secrets(self) -> tuple[str, ...]:
        return (*super()._secrets(), self._key.reveal())

    @property
    def girder_client(self) -> Any:
        """A `girder_client.GirderClient` that is logged in, one for each thread."""
        return self.destination.client

    @property
    def __girder_client(self) -> Any:
        """The same, under the name by which a program written for OpenMSIStream reads it."""
        return self.destination.client

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self.destination.close()
        super().close()

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return girder_command_line.of_girder_upload(cls.__name__)

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        return [args.girder_api_url, args.girder_api_key, args.config, args.consumer_topic_name], {
            "girder_api_key_file": args.girder_api_key_file,
            "girder_root_folder_id": args.girder_root_folder_id,
            "collection_name": args.collection_name,
            "girder_root_folder_path": args.girder_root_folder_path,
            "public": args.public,
            "metadata": args.metadata,
            "replace_existing": args.replace_existing,
            **processing_of(args),
        }


def main(args: list[str] | None = None) -> None:
    """The program."""
    GirderUploadStreamProcessor.run_from_command_line(args)


if __name__ == "__main__":
    girder_command_line.girder_upload()
