"""Where a configuration file is found, from its name or path."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import ConfigError

SUFFIX = ".config"
FOLDER_VARIABLE = "OPENMSISTREAM_CONFIG_FILE_DIR"
PACKAGED = Path(__file__).parent / "packaged"
"""The folder of the configurations that come with openmsistream."""


def find(name: str | Path, environ: Mapping[str, str]) -> Path:
    """The file of that name: as a path, then in the folder that the environment names, then among the packaged ones.

    A name without any dot gets ".config". ConfigError, with the places and the names that are near, when there is none.
    """
    given = str(name)
    file = given if "." in given else given + SUFFIX
    folders = list(_folders(environ))
    for folder in folders:
        if (candidate := folder / file).is_file():
            return candidate
    here = Path(file).absolute()
    if here.is_dir() and container.inside(environ):
        raise ConfigError(
            f"{here} is a folder, not a configuration file, as docker makes one when there is no such file to mount",
            f"remove it on the host, and mount the file by its right name: -v $(pwd)/{here.name}:{here}",
        )
    places = ", ".join(str(folder.absolute()) for folder in folders)
    what = f"there is no configuration file {file!r} (looked in {places})"
    if container.inside(environ) and "." in given:
        raise ConfigError(what, f"mount it into the container: -v $(pwd)/{here.name}:{here}")
    raise ConfigError(what, _advice(file, folders))


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path()  # joined with an absolute path it is that path
    if chosen := environ.get(FOLDER_VARIABLE):
        yield Path(chosen).expanduser()
    yield PACKAGED


def _advice(file: str, folders: list[Path]) -> str:
    path = Path(file)
    known = {found.name for folder in folders for found in (folder / path.parent).glob("*" + SUFFIX)}
    if path.name + SUFFIX in known:  # "./mine" has a dot, so nothing was added to it
        return f"did you mean {file + SUFFIX}"
    near = difflib.get_close_matches(path.name, sorted(known), n=3, cutoff=0.6)
    names = [str(path.with_name(found)).removesuffix(SUFFIX) for found in near]
    if names:
        return f"did you mean {' or '.join(names)}"
    packaged = ", ".join(sorted(found.stem for found in PACKAGED.glob("*" + SUFFIX)))
    return f"give the path of a file, or one of the names that come with openmsistream: {packaged}"
