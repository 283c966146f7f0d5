"""What an S3 server, or the way to it, has against us: said at the start where that is possible, in words with advice."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from s3_servers import KEY, SECRET, Gateway, S3Server, gateway

from openmsistream.destinations import s3, s3_errors
from openmsistream.destinations.contract import DestinationError, Put, Unreachable
from openmsistream.destinations.parts import PART_SIZE
from openmsistream.destinations.s3 import S3Destination
from openmsistream.destinations.s3_errors import Where
from openmsistream.destinations.s3_settings import S3Settings
from openmsistream.errors import ConfigError, OpenMSIStreamError
from openmsistream.testing.destinations import Trial

sys.path.append(str(Path(__file__).parent.parent / "messages"))
from certificates import Authority

ALL = {"effect": "Allow", "s3": ["s3:*"]}


def said_at_start(bucket: str, settings: S3Settings) -> str:
    with pytest.raises(OpenMSIStreamError) as caught, S3Destination(bucket, settings) as destination:
        destination.check()
    return str(caught.value)


# -- at the start --------------------------------------------------------------------------------------------------


def test_a_check_leaves_nothing_behind(gate: Gateway) -> None:
    bucket = gate.bucket()
    with S3Destination(bucket, gate.settings) as destination:
        destination.check()
    assert gate.unfinished(bucket) == []
    assert "Contents" not in gate.client.list_objects_v2(Bucket=bucket)


def test_a_bucket_that_is_missing(server: S3Server) -> None:
    said = said_at_start("no-such-bucket", server.settings)
    assert said.startswith(f"there is no bucket no-such-bucket at {server.url}")
    assert said.endswith("make the bucket or correct its name; buckets are not made by this program")


def test_an_access_key_that_nobody_knows(gate: Gateway) -> None:
    said = said_at_start(gate.bucket(), S3Settings("nobody", SECRET, gate.url))
    assert said.startswith(f"{gate.url} does not know the access key")
    assert "look at access_key_id and secret_key_id in [s3] of the configuration" in said


def test_a_secret_key_that_is_wrong(gate: Gateway) -> None:
    said = said_at_start(gate.bucket(), S3Settings(KEY, "something-else", gate.url))
    assert said.startswith(f"{gate.url} does not accept the secret key")
    assert "something-else" not in said


def test_no_keys_at_all(gate: Gateway) -> None:
    said = said_at_start("abc", S3Settings(endpoint_url=gate.url))
    assert said.startswith(
        f"there are no credentials for bucket abc at {gate.url} (Unable to locate credentials); give "
    )


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    said = said_at_start("abc", S3Settings("k", "s", f"http://127.0.0.1:{port}"))
    assert said == (
        f"http://127.0.0.1:{port} cannot be reached: the connection was refused; look at endpoint_url in [s3] of the "
        "configuration, at the network, and at whether the server runs"
    )


def test_a_host_that_does_not_exist() -> None:
    said = said_at_start("abc", S3Settings("k", "s", "http://no-such-host.invalid"))
    assert said.startswith("http://no-such-host.invalid cannot be reached: there is no host of this name")


def test_a_server_that_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(s3._QUICK, "read_timeout", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        said = said_at_start("abc", S3Settings("k", "s", f"http://127.0.0.1:{silent.getsockname()[1]}"))
    assert "cannot be reached: it stopped answering" in said


class _Page(BaseHTTPRequestHandler):
    """A web page, whatever is asked for."""

    def do_GET(self) -> None:
        page = b"<html><body>Welcome<br>to our intranet</body>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written."""


def test_a_web_server_that_is_no_s3_server() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{pages.server_port}"
        said = said_at_start("abc", S3Settings("k", "s", url))
        pages.shutdown()
    assert said == (
        f"{url} refused to list bucket abc: Internal Server Error (status 500); if that lasts, look at endpoint_url in [s3] of "
        "the configuration, and ask whoever runs the server"
    )


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError, match="no client for bucket abc at http://a b can be made"):
        S3Destination("abc", S3Settings("k", "s", "http://a b"))


def test_exit_codes_tell_what_is_wrong() -> None:
    assert DestinationError("x").exit_code == Unreachable("x").exit_code == 11


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make("lab", tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_gate(
    versitygw_program: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A versitygw with a certificate that only `authority` vouches for."""
    pem = str(authority.sign("server", host="127.0.0.1"))
    place = tmp_path_factory.mktemp("tls")
    with gateway(versitygw_program, place, "--cert", pem, "--key", pem, scheme="https") as running:
        running.client = running.client_of(KEY, SECRET, verify=str(authority.file))
        yield running


def test_a_file_through_tls(tls_gate: Gateway, authority: Authority, tmp_path: Path) -> None:
    bucket = tls_gate.bucket()
    settings = S3Settings(KEY, SECRET, tls_gate.url, ca_bundle=str(authority.file))
    with S3Destination(bucket, settings) as destination:
        trial = Trial(destination, lambda file: tls_gate.holds(bucket, f"topic/{file.path}"), tmp_path)
        destination.check()
        for size in (100, s3.ONE_REQUEST + 1):
            file = trial.file(f"{size}.bin", os.urandom(size))
            trial.put(file)
            trial.expect(file, file.read_bytes())


def test_a_certificate_that_nobody_vouches_for(tls_gate: Gateway) -> None:
    said = said_at_start(tls_gate.bucket(), S3Settings(KEY, SECRET, tls_gate.url))
    assert said.startswith(
        f"the certificate of {tls_gate.url} is not accepted: unable to get local issuer certificate; "
    )
    assert "set ca_bundle in [s3] of the configuration to a PEM file" in said


def test_a_certificate_for_another_host(tls_gate: Gateway, authority: Authority) -> None:
    url = tls_gate.url.replace("127.0.0.1", "localhost")
    said = said_at_start("abc", S3Settings(KEY, SECRET, url, ca_bundle=str(authority.file)))
    assert said == (
        f"the certificate of {url} is for another name; write endpoint_url in [s3] of the configuration with the name that "
        "the certificate is for"
    )


def test_tls_to_a_server_without_it(gate: Gateway) -> None:
    url = gate.url.replace("http:", "https:")
    said = said_at_start("abc", S3Settings(KEY, SECRET, url))
    assert said == (
        f"no TLS connection to {url} comes about; write endpoint_url in [s3] with http:// if the server has no TLS"
    )


# -- rights --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(versitygw_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A versitygw with accounts."""
    with gateway(versitygw_program, tmp_path_factory.mktemp("guarded"), accounts=True) as running:
        yield running


class Account:
    """An account of a guarded server, with the rights that it is given on one bucket."""

    def __init__(self, program: Path, server: Gateway, name: str) -> None:
        self._admin = [str(program), "admin", "--access", KEY, "--secret", SECRET, "--endpoint-url", server.url]
        self._server, self.name = server, name
        self.bucket = server.bucket()
        self._run("create-user", "--access", name, "--secret", "its-secret", "--role", "user")
        self.settings = S3Settings(name, "its-secret", server.url)

    def may(self, *actions: str) -> None:
        places = [f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::{self.bucket}/*"]
        statements = [
            {"Effect": "Allow", "Principal": {"AWS": [self.name]}, "Action": [action], "Resource": [place]}
            for action in actions
            for place in (places[:1] if action.startswith("s3:ListBucket") else places[1:])
        ]
        self._server.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps({"Statement": statements}))

    def may_nothing(self) -> None:
        self._server.client.delete_bucket_policy(Bucket=self.bucket)

    def remove(self) -> None:
        self._run("delete-user", "--access", self.name)

    def _run(self, *words: str) -> None:
        done = subprocess.run([*self._admin, *words], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def account(versitygw_program: Path, guarded: Gateway, request: pytest.FixtureRequest) -> Account:
    return Account(versitygw_program, guarded, f"user{abs(hash(request.node.name)) % 10**8}")


ENOUGH = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:AbortMultipartUpload")


@contextmanager
def trial_of(account: Account, server: Gateway, place: Path) -> Iterator[Trial]:
    with S3Destination(account.bucket, account.settings) as destination:
        yield Trial(destination, lambda file: server.holds(account.bucket, f"topic/{file.path}"), place)


def test_an_account_without_rights_is_told_at_the_start(account: Account) -> None:
    said = said_at_start(account.bucket, account.settings)
    assert f"does not let this account write to bucket {account.bucket} (Access Denied)" in said
    assert "grant s3:PutObject, s3:GetObject, s3:ListBucket and s3:AbortMultipartUpload" in said


def test_an_account_that_may_only_read_is_told_at_the_start(account: Account) -> None:
    account.may("s3:GetObject", "s3:ListBucket")
    assert f"does not let this account write to bucket {account.bucket}" in said_at_start(
        account.bucket, account.settings
    )


@pytest.mark.parametrize("rights", [ENOUGH, ENOUGH[:1]], ids=["all", "writing only"])
def test_an_account_that_may_write_does(
    rights: tuple[str, ...], account: Account, guarded: Gateway, tmp_path: Path
) -> None:
    account.may(*rights)
    with trial_of(account, guarded, tmp_path) as trial:
        trial.destination.check()
        file = trial.file("written.bin", b"content")
        trial.put(file)
        trial.expect(file, b"content")


def test_rights_taken_away_in_the_middle_of_a_file(
    account: Account, guarded: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST", 0)
    account.may(*ENOUGH)
    with trial_of(account, guarded, tmp_path) as trial:
        file = trial.file("cut short.bin", os.urandom(5 * PART_SIZE), on_disk=True)
        before_part(trial, 3, account.may_nothing)
        with pytest.raises(DestinationError, match="does not let this account write to bucket") as caught:
            trial.destination.put(file)
        assert not caught.value.retriable
        trial.expect(file, None)
        account.may(*ENOUGH)
        trial.put(file)
        trial.expect(file, file.read_bytes())


def test_an_account_removed_in_the_middle_of_a_file(
    account: Account, guarded: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST", 0)
    account.may(*ENOUGH)
    with trial_of(account, guarded, tmp_path) as trial:
        file = trial.file("orphan.bin", os.urandom(3 * PART_SIZE))
        before_part(trial, 2, account.remove)
        with pytest.raises(DestinationError, match="does not know the access key"):
            trial.destination.put(file)
        trial.expect(file, None)


def before_part(trial: Trial, number: int, do: Callable[[], None]) -> None:
    assert isinstance(trial.destination, S3Destination)
    lock, done = threading.Lock(), []

    def about_to_send(request: object, **_: object) -> None:
        with lock:
            if f"partNumber={number}" in str(getattr(request, "url", "")) and not done:
                done.append(number)
                do()

    trial.destination.client.meta.events.register("before-send.s3.UploadPart", about_to_send)


# -- a full disk ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small_gate(versitygw_program: Path, tmp_path: Path) -> Iterator[Gateway]:
    """A versitygw on a disk of 12 MB."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root on Linux, to make a small disk")
    place = tmp_path / "small"
    (place / "objects").mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place / "objects")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with gateway(versitygw_program, place, backend=("--sidecar", str(sidecar(place)))) as running:
            yield running
    finally:
        subprocess.run(["umount", "-l", str(place / "objects")], check=False)


def sidecar(place: Path) -> Path:
    made = place / "sidecar"
    made.mkdir()
    return made


@pytest.mark.parametrize("one_request", [s3.ONE_REQUEST, 0], ids=["at once", "in parts"])
def test_a_disk_that_is_full(
    one_request: int, small_gate: Gateway, trial_at: Callable[[S3Server], Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST", one_request)
    monkeypatch.setattr(s3, "_PATIENT", s3._QUICK)
    trial = trial_at(small_gate)
    filling = trial.file("filling.bin", os.urandom(2_000_000))
    trial.put(filling)
    large = trial.file("large.bin", os.urandom(11_000_000))
    with pytest.raises(DestinationError) as caught:
        trial.destination.put(large)
    print(caught.value)
    assert caught.value.retriable
    assert "is full" in str(caught.value)
    trial.expect(large, None)
    trial.put(filling, Put.ALREADY_THERE)


# -- what no server here says --------------------------------------------------------------------------------------

WHERE = Where("data", "https://s3.lab.edu")


@pytest.mark.parametrize(
    ("code", "status", "message", "words", "retriable"),
    [
        ("QuotaExceeded", 403, "", "bucket data at https://s3.lab.edu is full; make room", True),
        ("XMinioStorageFull", 507, "Storage backend has reached its minimum free drive threshold.",
         "is full (Storage backend has reached its minimum free drive threshold); make room there", True),
        ("", 507, "", "is full; make room there or have the quota raised", True),
        ("SlowDown", 503, "Please reduce your request rate.",
         "does not serve requests now (Please reduce your request rate)", True),
        ("502", 502, "Bad Gateway", "https://s3.lab.edu does not serve requests now (status 502); if that lasts, look at", True),
        ("InternalError", 500, "We encountered an internal error.", "refused to write to bucket data: We encountered", True),
        ("ExpiredToken", 400, "", "says that the credentials have expired; renew them", False),
        ("RequestTimeTooSkewed", 403, "", "clock and that of https://s3.lab.edu differ too much; set this", False),
        ("AuthorizationHeaderMalformed", 400, "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
         "expects another region (the region 'us-east-1' is wrong; expecting 'eu-central-1'); set region", False),
        ("403", 403, "Forbidden", "does not let this account write to bucket data (Forbidden); let whoever", False),
        ("AccountProblem", 403, "", "does not let this account write to bucket data; let whoever", False),
        ("NewCodeOfNextYear", 403, "No.", "does not let this account write to bucket data (No); let", False),
        ("InvalidArgument", 400, "Bad thing.",
         "https://s3.lab.edu refused to write to bucket data: Bad thing (InvalidArgument, status 400); ask", False),
    ],
)  # fmt: skip
def test_what_a_server_says_in_our_words(code: str, status: int, message: str, words: str, retriable: bool) -> None:
    error = s3_errors.refused(WHERE, "write to", code, status, message)
    assert words in str(error)
    assert error.retriable is retriable


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("ServiceUnavailable", 503), ("", 502), ("504", 504)])
def test_a_server_that_is_overloaded_or_away_is_no_files_fault(code: str, status: int) -> None:
    assert isinstance(s3_errors.refused(WHERE, "write to", code, status, ""), Unreachable)
