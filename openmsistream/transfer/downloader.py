"""A stream becomes a folder: a topic read for its newest files."""

from __future__ import annotations

from openmsistream.config import Settings

from .finishing import Finisher
from .reader import Purpose, Reader
from .reader import ReaderOptions as DownloadOptions
from .wanted import NEWEST

__all__ = ["DownloadOptions", "Downloader"]


class Downloader(Reader):
    """One topic being received into one folder until it is stopped. `start`, then `stop`, then `join`."""

    def __init__(self, options: DownloadOptions, settings: Settings) -> None:
        super().__init__(options, settings, Purpose(NEWEST, lambda rows: Finisher(options.root, rows)))
