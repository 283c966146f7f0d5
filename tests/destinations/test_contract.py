"""Every destination keeps what all destinations promise."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from s3_servers import S3Server

from openmsistream.destinations.folder import FolderDestination
from openmsistream.destinations.remote import RemoteDestination
from openmsistream.processing.file import File
from openmsistream.testing.destinations import PROMISES, Trial

Promise = Callable[[Trial], None]
each_promise = pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)


@each_promise
def test_a_bucket(promise: Promise, server: S3Server, trial_at: Callable[[S3Server], Trial]) -> None:
    promise(trial_at(server))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


def held_in(root: Path) -> Callable[[File], bytes | None]:
    def held(file: File) -> bytes | None:
        place = root / file.path
        return place.read_bytes() if place.exists() else None

    return held


@each_promise
def test_a_folder(promise: Promise, root: Path, tmp_path: Path) -> None:
    promise(Trial(FolderDestination(root), held_in(root), tmp_path))
    assert not list(root.rglob(".oms-*"))


@each_promise
def test_a_folder_by_way_of_fsspec(promise: Promise, root: Path, tmp_path: Path) -> None:
    promise(Trial(RemoteDestination(root.as_uri()), held_in(root), tmp_path))
    assert not list(root.rglob(".oms-*"))


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Trial]:
    files = fsspec.filesystem("memory")
    url = f"/root-{uuid.uuid4().hex}"
    files.makedirs(url)

    def held(file: File) -> bytes | None:
        place = f"{url}/{file.path}"
        return bytes(files.cat_file(place)) if files.exists(place) else None

    yield Trial(RemoteDestination(f"memory:/{url}"), held, tmp_path)
    files.rm(url, recursive=True)


@each_promise
def test_a_file_system_of_fsspec_that_is_no_disk(promise: Promise, in_memory: Trial) -> None:
    promise(in_memory)
