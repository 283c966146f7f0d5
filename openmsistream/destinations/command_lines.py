"""The command line of S3TransferStreamProcessor, apart from what it starts: to be shown or refused it needs nothing else."""

from __future__ import annotations

import argparse

from openmsistream.errors import UsageError
from openmsistream.processing.command_lines import processor_parser

from .s3_settings import bucket_name

S3_TRANSFER = "S3TransferStreamProcessor"


def s3_transfer(args: list[str] | None = None) -> None:
    """The program S3TransferStreamProcessor; ends by SystemExit."""
    of_s3_transfer().parse_args(args)
    from .s3_processor import main

    main(args)


def of_s3_transfer(name: str = S3_TRANSFER) -> argparse.ArgumentParser:
    """S3TransferStreamProcessor, or a subclass of another name."""
    made = processor_parser(name, "Store every file of a topic in an S3 bucket, as soon as the file is whole.")
    made.add_argument("bucket_name", type=_bucket, help="the bucket; it has to be there")
    made.set_defaults(config="test_s3_transfer")
    return made


def _bucket(text: str) -> str:
    try:
        return bucket_name(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
