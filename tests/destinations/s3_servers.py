"""Real S3 servers for tests: versitygw, found or built, and moto's, each on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from lab import expect

from openmsistream.broker.lock import exclusive
from openmsistream.destinations.s3_settings import S3Settings

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
_BUILD_TIME = 400.0

KEY, SECRET = "the-access-key", "the-secret-key"


@dataclass
class S3Server:
    """A server that answers at `url`."""

    name: str
    url: str
    settings: S3Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = S3Settings(KEY, SECRET, self.url)
        self.client = self.client_of(KEY, SECRET)

    def client_of(self, key: str, secret: str, verify: str | None = None) -> Any:
        """A client that is not the one under test."""
        config = Config(retries={"total_max_attempts": 2}, read_timeout=20)
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1",
            config=config, verify=verify,
        )  # fmt: skip

    def bucket(self) -> str:
        """A new bucket."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def holds(self, bucket: str, key: str) -> bytes | None:
        """The bytes of an object, None when there is none."""
        try:
            content: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None
        return content

    def unfinished(self, bucket: str) -> list[str]:
        """The keys of uploads in parts that were begun and neither completed nor given up."""
        found = self.client.list_multipart_uploads(Bucket=bucket).get("Uploads") or []
        return [upload["Key"] for upload in found]


class Gateway(S3Server):
    """A versitygw that can be killed and started again, over a folder. `options` are its own, `backend` those of its store."""

    def __init__(
        self,
        program: Path,
        place: Path,
        *options: str,
        scheme: str = "http",
        accounts: bool = False,
        backend: Sequence[str] = (),
    ) -> None:
        self.root = place / "objects"
        self.root.mkdir(parents=True, exist_ok=True)
        self._port = _free_port()
        iam = place / "accounts"
        iam.mkdir(exist_ok=True)
        self._command: Sequence[str] = (
            str(program), "--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{self._port}", "--quiet",
            *(("--iam-dir", str(iam), "--iam-cache-disable") if accounts else ()),
            *options, "posix", *backend, str(self.root),
        )  # fmt: skip
        self._log = place / "versitygw.log"
        self.start()
        super().__init__("versitygw", f"{scheme}://127.0.0.1:{self._port}")

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        expect(self._listens, 20, self._log.read_text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


@contextmanager
def gateway(program: Path, place: Path, *options: str, **more: Any) -> Iterator[Gateway]:
    """A versitygw while a `with` lasts."""
    made = Gateway(program, place, *options, **more)
    try:
        yield made
    finally:
        made.kill()


@contextmanager
def moto() -> Iterator[S3Server]:
    """moto's server in a thread of this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield S3Server("moto", "http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()


def versitygw(cache: Path) -> Path:
    """The program versitygw: the one that is installed, or built once by Go. Skips the test, aloud, when it cannot be had."""
    found = shutil.which("versitygw") or _in_gobin("versitygw")
    if found is not None:
        return Path(found)
    program = cache / VERSITYGW.rpartition("@")[2] / ("versitygw.exe" if os.name == "nt" else "versitygw")
    program.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(program.parent / "lock", timeout=_BUILD_TIME + 20):
        if not program.exists():
            _build(program)
    return program


def _in_gobin(name: str) -> str | None:
    places = [os.environ.get("GOBIN"), os.path.join(os.environ.get("GOPATH") or Path.home() / "go", "bin")]
    return shutil.which(name, path=os.pathsep.join(filter(None, places)))


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"NOT TESTED AGAINST A REAL S3 SERVER: no versitygw and no go here; go install {VERSITYGW}")
    command, environment = [go, "install", VERSITYGW], {**os.environ, "GOBIN": str(program.parent)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_BUILD_TIME, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"NOT TESTED AGAINST A REAL S3 SERVER: go install {VERSITYGW} takes too long")
    if done.returncode:
        pytest.skip(f"NOT TESTED AGAINST A REAL S3 SERVER: go install {VERSITYGW} failed: {done.stderr[-300:]}")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
