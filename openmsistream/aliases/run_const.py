"""`RUN_CONST`: the defaults of the programs, under the names that programs written for OpenMSIStream read them by."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config.lookup import FOLDER_VARIABLE, PACKAGED, SUFFIX


def _config_folder() -> Path:
    chosen = os.environ.get(FOLDER_VARIABLE)
    return (Path(chosen).expanduser() if chosen else PACKAGED).resolve()


@dataclass(frozen=True)
class RunConstants:
    """Names and values are OpenMSIStream's, but for the regular expression: that one left out `catalog.csv` and `blog.txt`."""

    CONFIG_FILE_EXT: str = SUFFIX
    CONFIG_FILE_DIR: Path = field(default_factory=_config_folder)
    DEFAULT_CONFIG_FILE: str = "test"
    PRODUCTION_CONFIG_FILE: str = "prod"
    DEFAULT_TOPIC_NAME: str = "test"
    N_DEFAULT_UPLOAD_THREADS: int = 2
    N_DEFAULT_DOWNLOAD_THREADS: int = 2
    DEFAULT_UPLOAD_REGEX: re.Pattern[str] = re.compile(r"^(?!\.)(?!.*\.log$).*$")
    DEFAULT_CHUNK_SIZE: int = 524_288
    DEFAULT_MAX_UPLOAD_QUEUE_MEGABYTES: int = 500
    DEFAULT_WATCHDOG_LAG_TIME: int = 3
    DEFAULT_COLLECTION_NAME: str = "WholeTale Catalog"
    DEFAULT_MAX_WAIT_PER_DECRYPT: float = 5.0
    DEFAULT_MAX_INITIAL_WAIT_PER_DECRYPT: float = 60.0


RUN_CONST = RunConstants()
