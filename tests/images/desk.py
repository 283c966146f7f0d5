"""What somebody has at hand who follows a page: a fresh clone, the page's commands, the two edits it asks for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from containers import GROUP, REPOSITORY, USER
from secured import PASSWORD, Secured
from typing_shell import Block, blocks

PAGE = REPOSITORY / "docs" / "deploy.md"
README = REPOSITORY / "README.md"


def section(title: str, page: Path = PAGE) -> list[Block]:
    """What is typed under this heading."""
    found = [block for block in blocks(page) if block.section == title and block.kind == "console"]
    assert found, title
    return found


def clone(place: Path) -> None:
    """What a clone of this tree would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        source, target = REPOSITORY / name, place / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def give(place: Path) -> None:
    """Make all of it that of the user whose home this is."""
    if os.getuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, USER, GROUP, follow_symlinks=False)


def filled_in(example: str, broker: Secured) -> str:
    """openmsi.env, from its example."""
    for name, value in (("BOOTSTRAP_SERVERS", broker.at("SCRAM")), ("USERNAME", "owner"), ("PASSWORD", PASSWORD)):
        example, times = re.subn(rf"^CONFLUENT_{name}=$", f"CONFLUENT_{name}={value}", example, flags=re.M)
        assert times == 1
    return example


def edited(config: str, broker: Secured) -> str:
    """config.config: the certificate and the password of this Kafka are not those of Confluent Cloud."""
    authority = "\n    ".join(broker.trusted.file.read_text().splitlines())
    assert "sasl.mechanism = PLAIN\n" in config
    return config.replace("sasl.mechanism = PLAIN\n", f"sasl.mechanism = SCRAM-SHA-512\nssl.ca.pem = {authority}\n")
