"""What is in the image, and what must not be."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from conftest import build, user_arguments
from containers import REPOSITORY, USER, Harbour

import openmsistream

MEGABYTE = 1_000_000
CANARY = "canary-5f0d3c9a71"


def attributes(engine: docker.DockerClient, tag: str) -> dict[str, Any]:
    return engine.images.get(tag).attrs


def layers(engine: docker.DockerClient, tag: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Every file of every layer of an image, those too that a later layer hides; and its configuration."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.images.get(tag).save()))) as saved:
        for part in saved.getmembers():
            content = saved.extractfile(part)
            if content is None:
                continue
            data = content.read()
            if not part.name.endswith("layer.tar") and not part.name.startswith("blobs/"):
                yield part, data
                continue
            try:
                with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                    for file in layer.getmembers():
                        inside = layer.extractfile(file) if file.isreg() else None
                        yield file, inside.read() if inside else b""
            except tarfile.ReadError:
                yield part, data  # the image's configuration, where layers are blobs too


def test_it_adds_at_most_150_mb_to_the_image_it_is_built_on(
    engine: docker.DockerClient, base_image: str, ground: str
) -> None:
    added = attributes(engine, base_image)["Size"] - attributes(engine, ground)["Size"]

    assert added <= 150 * MEGABYTE, f"{added / MEGABYTE:.0f} MB"


def test_it_has_the_labels_that_registries_and_people_look_for(engine: docker.DockerClient, base_image: str) -> None:
    labels = attributes(engine, base_image)["Config"]["Labels"]

    found = {name.removeprefix("org.opencontainers.image."): text for name, text in labels.items()}
    assert all(found.get(name) for name in ("title", "description", "version", "licenses", "base.name"))
    assert (found["version"], found["licenses"]) == (openmsistream.__version__, "Apache-2.0")


def test_its_user_is_not_root(engine: docker.DockerClient, base_image: str, harbour: Harbour) -> None:
    assert attributes(engine, base_image)["Config"]["User"] not in ("", "0", "root")
    assert harbour.ran(base_image, "bash", "-c", "id -u; id -un") == (0, f"{USER}\nopenmsi\n")


def test_uid_and_gid_can_be_chosen_at_build(ground: str, builds: Path, harbour: Harbour) -> None:
    arguments = ["--build-arg", f"BASE_IMAGE={ground}", "--build-arg", "UID=4321", "--build-arg", "GID=4322"]
    tag = build(builds, "openmsistream:test-uid", REPOSITORY, *arguments)

    code, said = harbour.ran(tag, "bash", "-c", "id -u; id -g; stat -c %u ~ ~/data; touch ~/data/x")

    assert (code, said.split()) == (0, ["4321", "4322", "4321", "4321"])


def test_it_adds_no_set_uid_files(base_image: str, ground: str, harbour: Harbour) -> None:
    look = "find / -xdev -perm /6000 -type f 2>/dev/null | sort"

    ours = harbour.ran(base_image, "-c", look, entrypoint="bash", user="0")[1]
    theirs = harbour.ran(ground, "-c", look, entrypoint="bash", user="0")[1]

    assert set(ours.split()) <= set(theirs.split())


def test_nothing_that_is_only_for_building_is_left_in_it(base_image: str, ground: str, harbour: Harbour) -> None:
    look = "ls -d /source /tmp/* /root/.cache ~/.cache /var/lib/apt/lists/*_Packages 2>/dev/null"

    ours, theirs = (
        harbour.ran(image, "-c", look, entrypoint="bash", user="0")[1].split() for image in (base_image, ground)
    )

    assert set(ours) <= set(theirs)


def test_a_secret_of_the_build_s_folder_is_in_no_layer(
    engine: docker.DockerClient, ground: str, builds: Path, harbour: Harbour
) -> None:
    folder = harbour.place / "clone"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".mypy_cache", ".hypothesis", "build", "dist", ".pytest_cache")
    shutil.copytree(REPOSITORY, folder, ignore=ignored, symlinks=True)
    for place in (".", "custom_image", "openmsistream", "examples/instrument"):
        (folder / place / "openmsi.env").write_text(f"CONFLUENT_PASSWORD={CANARY}\n")
    for name in (".env", "secrets.txt", "data/notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(CANARY)

    tag = build(builds, "openmsistream:test-canary", folder, "--build-arg", f"BASE_IMAGE={ground}", *user_arguments())

    names, holding = set(), []
    for file, content in layers(engine, tag):
        names.add(Path(file.name).name)
        if CANARY.encode() in content:
            holding.append(file.name)
    assert holding == []
    assert {"openmsistream-start", "bash"} <= names  # all of it was looked through


def test_its_environment_and_history_hold_no_secrets(engine: docker.DockerClient, base_image: str) -> None:
    told = json.dumps([attributes(engine, base_image)["Config"], engine.images.get(base_image).history()])

    for variable, value in os.environ.items():
        if any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN")) and len(value) > 6:
            assert value not in told, variable
    assert "PASSWORD" not in told.upper()


def test_it_builds_with_buildkit_too(engine: docker.DockerClient, ground: str, builds: Path, harbour: Harbour) -> None:
    answer = harbour.typed("DOCKER_BUILDKIT=1 docker build --help", check=False)
    if "buildx" not in answer and "--secret" not in answer:
        pytest.skip("this docker command has no BuildKit")

    arguments = ["--build-arg", f"BASE_IMAGE={ground}", *user_arguments()]
    tag = build(builds, "openmsistream:test-buildkit", REPOSITORY, *arguments, buildkit=True)

    assert harbour.ran(tag, "--version") == (0, f"openmsistream {openmsistream.__version__}\n")


def test_the_dockerfile_asks_nobody_else_how_to_be_read() -> None:
    lines = [
        *(REPOSITORY / "Dockerfile").read_text().splitlines(),
        *(REPOSITORY / "custom_image/Dockerfile").read_text().splitlines(),
    ]

    assert not [line for line in lines if line.replace(" ", "").startswith("#syntax=")]
