"""Write `pins.json` anew for a version of Kafka (for maintainers: `python -m openmsistream.broker.pin 4.3.1`).

Walks Kafka's dependencies with jgo, downloads each jar into an empty folder, and notes its SHA-256. Look at the
difference before you commit it: a jar whose version did not change must keep its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def _binding(artifacts: list[Any]) -> str:
    """The log4j binding that fits the slf4j and the log4j that Kafka brings; without one the broker logs nothing."""
    version = {artifact.artifactId: artifact.version for artifact in artifacts}
    name = "log4j-slf4j-impl" if version["slf4j-api"].startswith("1.7.") else "log4j-slf4j2-impl"
    return f"org.apache.logging.log4j:{name}:{version['log4j-core']}"


def _entry(coordinate: str, folder: Path) -> dict[str, Any]:
    from jgo.maven import MavenContext

    group, artifact, version = coordinate.split(":")
    context = MavenContext(repo_cache=folder, timeout=60)
    path = context.project(group, artifact).at_version(version).artifact().resolve()
    content = path.read_bytes()
    return {
        "coordinate": coordinate,
        "file": path.name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def main(version: str) -> None:
    """Resolve, download, hash, write."""
    import jgo

    artifacts = jgo.resolve(f"org.apache.kafka:kafka_2.13:{version}")
    coordinates = {f"{jar.groupId}:{jar.artifactId}:{jar.version}" for jar in artifacts} | {_binding(artifacts)}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(6) as pool:
        jars = list(pool.map(lambda coordinate: _entry(coordinate, Path(folder)), sorted(coordinates)))
    target = Path(__file__).with_name("pins.json")
    target.write_text(json.dumps({"kafka": version, "jars": jars}, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: Kafka {version}, {len(jars)} jars, {sum(jar['size'] for jar in jars) / 1e6:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
