"""`RUN_CONST` has the names and values that users' programs read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openmsistream.aliases.run_const import RUN_CONST, RunConstants
from openmsistream.config import load
from openmsistream.transfer import download_directory, upload_directory

VALUES = {
    "CONFIG_FILE_EXT": ".config",
    "DEFAULT_CHUNK_SIZE": 524288,
    "DEFAULT_COLLECTION_NAME": "WholeTale Catalog",
    "DEFAULT_CONFIG_FILE": "test",
    "DEFAULT_MAX_INITIAL_WAIT_PER_DECRYPT": 60.0,
    "DEFAULT_MAX_UPLOAD_QUEUE_MEGABYTES": 500,
    "DEFAULT_MAX_WAIT_PER_DECRYPT": 5.0,
    "DEFAULT_TOPIC_NAME": "test",
    "DEFAULT_WATCHDOG_LAG_TIME": 3,
    "N_DEFAULT_DOWNLOAD_THREADS": 2,
    "N_DEFAULT_UPLOAD_THREADS": 2,
    "PRODUCTION_CONFIG_FILE": "prod",
}
"""As the published OpenMSIStream 1.8.8 has them."""


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_constant_has_its_value(name: str) -> None:
    assert getattr(RUN_CONST, name) == VALUES[name]


def test_the_packaged_configurations_are_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENMSISTREAM_CONFIG_FILE_DIR", raising=False)
    folder = RunConstants().CONFIG_FILE_DIR
    assert isinstance(folder, Path)
    monkeypatch.setenv("LOCAL_KAFKA_BROKER_BOOTSTRAP_SERVERS", "localhost:9092")
    assert load(folder / "local_broker_test.config").path == folder / "local_broker_test.config"


def test_the_environment_decides_on_the_folder_of_configurations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENMSISTREAM_CONFIG_FILE_DIR", str(tmp_path))
    assert tmp_path.resolve() == RunConstants().CONFIG_FILE_DIR


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        ("a.csv", True),
        ("catalog.csv", True),
        ("my_logs/data.csv", True),
        ("blog.txt", True),
        ("run.log", False),
        (".x", False),
    ],
)
def test_the_regular_expression_leaves_out_logs_and_hidden_files_only(path: str, matches: bool) -> None:
    assert isinstance(RUN_CONST.DEFAULT_UPLOAD_REGEX, re.Pattern)
    assert bool(RUN_CONST.DEFAULT_UPLOAD_REGEX.match(path)) is matches


def test_the_constants_are_the_defaults_of_the_programs() -> None:
    up = upload_directory.parser().parse_args(["."])
    down = download_directory.parser().parse_args(["."])
    assert up.config == down.config == RUN_CONST.DEFAULT_CONFIG_FILE
    assert up.topic_name == down.topic_name == RUN_CONST.DEFAULT_TOPIC_NAME
    assert up.chunk_size == RUN_CONST.DEFAULT_CHUNK_SIZE
    assert (up.n_threads, down.n_threads) == (RUN_CONST.N_DEFAULT_UPLOAD_THREADS, RUN_CONST.N_DEFAULT_DOWNLOAD_THREADS)
    assert up.queue_max_size == RUN_CONST.DEFAULT_MAX_UPLOAD_QUEUE_MEGABYTES
    assert up.max_wait_per_decrypt == RUN_CONST.DEFAULT_MAX_WAIT_PER_DECRYPT
    assert up.max_initial_wait_per_decrypt == RUN_CONST.DEFAULT_MAX_INITIAL_WAIT_PER_DECRYPT
