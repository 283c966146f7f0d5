"""What section [s3] may say, and what a bucket may be called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from s3_servers import KEY, SECRET, Gateway

from openmsistream.config import load
from openmsistream.destinations.s3 import S3Destination
from openmsistream.destinations.s3_settings import S3Settings, bucket_name, misspelt
from openmsistream.errors import ConfigError, UsageError


def settings_of(place: Path, section: str, **environ: str) -> S3Settings:
    file = place / "s3.config"
    file.write_text(f"[broker]\nbootstrap.servers = localhost:1\n{section}")
    return S3Settings.of(load(file, environ=environ))


def test_the_four_keys_of_openmsistream_are_read_with_variables(tmp_path: Path) -> None:
    section = "[s3]\naccess_key_id = $K\nsecret_key_id = $S\nendpoint_url = $E\nregion = $R\n"
    found = settings_of(tmp_path, section, K="key", S="12e5%x", E="http://there:9000", R="us-east-2")
    assert found == S3Settings("key", "12e5%x", "http://there:9000", "us-east-2")


def test_the_secret_key_is_not_shown() -> None:
    assert "hidden" not in repr(S3Settings("key", "hidden"))


def test_an_endpoint_without_scheme_has_tls(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "[s3]\nendpoint_url = s3.lab.edu:9000\n").endpoint_url == "https://s3.lab.edu:9000"


@pytest.mark.parametrize("section", ["", "[s3]\n", "[s3]\naccess_key_id =\nsecret_key_id =\nregion =\n"])
def test_what_is_missing_or_empty_is_left_to_aws(section: str, tmp_path: Path) -> None:
    assert settings_of(tmp_path, section) == S3Settings()


@pytest.mark.parametrize(("given", "missing"), [("access_key_id", "secret_key_id"), ("secret_key_id", "access_key_id")])
def test_one_key_without_the_other_is_refused(given: str, missing: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=rf"^section \[s3\] of .*s3.config has no {missing}; add {missing}, or leave out"
    ):
        settings_of(tmp_path, f"[s3]\n{given} = x\n")


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has ca_bundle = /no/such\.pem, and there is no such file"):
        settings_of(tmp_path, "[s3]\nca_bundle = /no/such.pem\n")


def test_a_misspelt_key_is_told(tmp_path: Path) -> None:
    file = tmp_path / "s3.config"
    file.write_text("[broker]\nbootstrap.servers = localhost:1\n[s3]\nacess_key_id = k\nsomething_else = 1\n")
    (warning,) = misspelt(load(file))
    assert warning.startswith("acess_key_id in section [s3] of ")
    assert warning.endswith("is not known and is not used; did you mean access_key_id")


@pytest.mark.parametrize("name", ["abc", "my-bucket.2026", "Old_Name"])
def test_names_that_buckets_have(name: str) -> None:
    assert bucket_name(name) == name


@pytest.mark.parametrize("char", "#%&{}\\/<>*? $!'\":@+`|=ü")
def test_characters_that_no_bucket_has_in_its_name(char: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a bucket: it contains") as caught:
        bucket_name(f"a{char}b")
    assert repr(char) in str(caught.value)


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_lengths_that_no_bucket_name_has(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a bucket; give the name alone"):
        bucket_name(name)


def test_keys_from_the_environment_are_found_as_aws_does(gate: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with S3Destination(gate.bucket(), S3Settings(endpoint_url=gate.url)) as destination:
        destination.check()


def test_keys_of_a_profile_are_found_as_aws_does(
    gate: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[lab]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with S3Destination(gate.bucket(), S3Settings(endpoint_url=gate.url)) as destination:
        destination.check()


def test_without_a_server_it_is_aws() -> None:
    with S3Destination("abc", S3Settings("k", "s", region="eu-central-1")) as destination:
        assert repr(destination) == "<S3Destination bucket abc at https://s3.eu-central-1.amazonaws.com>"


def test_a_server_from_the_environment_is_found_and_named(gate: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", gate.url)
    with S3Destination(gate.bucket(), S3Settings(KEY, SECRET)) as destination:
        destination.check()
        assert repr(destination).endswith(f"at {gate.url}>")


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match=r"no client for bucket abc at S3 can be made: .*\(nobody\)"):
        S3Destination("abc")


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError) as caught:
        S3Destination("abc")
    assert str(caught.value) == (
        'the transfer to S3 needs boto3, which is not installed; pip install "openmsistream[s3]"'
    )  # fmt: skip
