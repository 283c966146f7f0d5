"""What programs written for OpenMSIStream import is found, or it is said that it comes later."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import openmsistream
from openmsistream import DataFileDownloadDirectory, DataFileUploadDirectory, UploadDataFile
from openmsistream.aliases.table import MODULES, Later, NotThereYet
from openmsistream.errors import OpenMSIStreamError

NOW = [
    (f"openmsistream.{module}", name)
    for module, homes in MODULES.items() if not isinstance(homes, Later)
    for name, home in homes.items() if isinstance(home, str)
]  # fmt: skip
LATER = [
    (f"openmsistream.{module}", name)
    for module, homes in MODULES.items() if not isinstance(homes, Later)
    for name, home in homes.items() if isinstance(home, Later)
]  # fmt: skip
MODULES_LATER = [
    *(f"openmsistream.{module}" for module, homes in MODULES.items() if isinstance(homes, Later)),
    "openmsistream.tools.provision_wrapper",
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), NOW)
def test_a_name_that_is_there_is_found_under_its_old_module(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) is not None


PUBLISHED = {
    "": "DataFileDownloadDirectory DataFileStreamProcessor DataFileStreamReproducer DataFileUploadDirectory "
    "GirderUploadStreamProcessor MetadataJSONReproducer S3TransferStreamProcessor UploadDataFile __version__",
    ".data_file_io": "DataFile DownloadDataFile DownloadDataFileToDisk DownloadDataFileToMemory "
    "DownloadDataFileToMemoryAndDisk DataFileDirectory ReproducerMessage",
    ".kafka_wrapper": "OpenMSIStreamProducer OpenMSIStreamConsumer ConsumerAndProducerGroup Producible",
    ".utilities": "OpenMSIStreamArgumentParser DataclassTableReadOnly DataclassTableAppendOnly DataclassTable",
    ".metadata_extraction": "MetadataJSONReproducer",
    ".services": "WindowsServiceManager LinuxServiceManager",
}
"""What the published OpenMSIStream 1.8.8 has in `__all__`, but for KafkaCrypto."""


@pytest.mark.parametrize(("module", "names"), PUBLISHED.items())
def test_all_that_the_published_package_makes_public_is_there(module: str, names: str) -> None:
    found = importlib.import_module(f"openmsistream{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


@pytest.mark.parametrize("name", openmsistream.__all__)
def test_a_name_of_the_package_is_found_when_it_is_first_used(name: str) -> None:
    assert getattr(openmsistream, name) is not None


@pytest.mark.parametrize(
    ("module", "thing"),
    [
        ("openmsistream.data_file_io.entity.upload_data_file", UploadDataFile),
        ("openmsistream.data_file_io.actor.data_file_upload_directory", DataFileUploadDirectory),
        ("openmsistream.data_file_io.actor.data_file_download_directory", DataFileDownloadDirectory),
        ("openmsistream.data_file_io.actor.data_file_stream_processor", openmsistream.DataFileStreamProcessor),
        ("openmsistream.data_file_io.actor.data_file_stream_reproducer", openmsistream.DataFileStreamReproducer),
        ("openmsistream.metadata_extraction.metadata_json_reproducer", openmsistream.MetadataJSONReproducer),
        ("openmsistream.s3_buckets.s3_transfer_stream_processor", openmsistream.S3TransferStreamProcessor),
        ("openmsistream.girder.girder_upload_stream_processor", openmsistream.GirderUploadStreamProcessor),
    ],
)
def test_a_class_is_the_same_under_both_names(module: str, thing: type) -> None:
    assert getattr(importlib.import_module(module), thing.__name__) is thing


@pytest.mark.parametrize(("module", "name"), LATER)
def test_a_name_that_comes_later_says_so(module: str, name: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(f"from {module} import {name}")
    assert isinstance(caught.value, NotThereYet)
    assert str(caught.value).startswith(f"{module}.{name} is not in this version: ")
    assert "OpenMSIStream 1.8.8" in str(caught.value)


@pytest.mark.parametrize("module", MODULES_LATER)
def test_a_module_that_comes_later_says_so(module: str) -> None:
    with pytest.raises(ImportError, match=r"is not in this version: .* will come later; use OpenMSIStream 1\.8\.8"):
        importlib.import_module(module)


def test_the_error_is_one_of_ours() -> None:
    with pytest.raises(OpenMSIStreamError) as caught:
        importlib.import_module("openmsistream.tools")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "module", ["openmsistream.nothing", "openmsistream.data_file_io.nothing", "openmsistream.utils"]
)
def test_a_module_that_never_was_is_missing_as_any_other(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"No module named '{module}'"):
        importlib.import_module(module)
    assert importlib.util.find_spec(module) is None


def test_a_name_that_never_was_is_missing_as_any_other() -> None:
    assert not hasattr(openmsistream, "Nothing")
    assert not hasattr(importlib.import_module("openmsistream.data_file_io"), "Nothing")
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec("from openmsistream.utilities import Nothing")


def test_all_that_is_there_of_a_module_can_be_imported_at_once() -> None:
    found: dict[str, object] = {}
    exec("from openmsistream.data_file_io.actor.data_file_upload_directory import *", found)
    assert found["DataFileUploadDirectory"] is DataFileUploadDirectory


def test_importing_does_nothing_and_loads_nothing_else() -> None:
    """Neither clients nor loggers: a program that only reads a constant pays for nothing."""
    code = (
        "import sys; before = set(sys.modules); import openmsistream.utilities.config, openmsistream.data_file_io.actor, "
        "openmsistream.data_file_io.actor.data_file_upload_directory; openmsistream.utilities.config.RUN_CONST; "
        "from openmsistream.utilities import OpenMSIStreamArgumentParser; "
        "import logging; assert not logging.getLogger().handlers; "
        "heavy = {'confluent_kafka', 'rich', 'watchdog', 'psutil', 'sqlite3', 'blake3'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = _python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_old_module_can_be_run_as_a_program() -> None:
    done = _python("-m", "openmsistream.data_file_io.actor.data_file_upload_directory", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: DataFileUploadDirectory")


def test_folders_that_an_older_installation_left_behind_hide_nothing(tmp_path: Path) -> None:
    """It kept files of users below its own packages; pip leaves those."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "utilities").mkdir()
    code = (
        f"import openmsistream; openmsistream.__path__.append({str(tmp_path)!r}); "
        "from openmsistream.utilities import OpenMSIStreamArgumentParser; import openmsistream.tools"
    )
    assert "openmsistream.tools is not in this version" in _python("-c", code).stderr.splitlines()[-1]


def test_the_package_knows_which_names_are_in_the_table() -> None:
    assert {module.partition(".")[0] for module in MODULES} == openmsistream._OLD_ROOMS


def test_reloading_the_package_does_not_add_a_second_finder() -> None:
    def finders() -> int:
        return sum(getattr(finder, "__module__", None) == "openmsistream" for finder in sys.meta_path)

    assert finders() == 1
    importlib.reload(openmsistream)
    assert finders() == 1


def _python(*args: str) -> subprocess.CompletedProcess[str]:
    where = str(Path(openmsistream.__file__).parents[1])
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, cwd=where, timeout=60)
