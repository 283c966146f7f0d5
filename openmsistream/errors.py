"""What can go wrong, in words for the person at the instrument, with an exit code for each kind.

| exit code | kind |
|---|---|
| 0 | everything asked for was done |
| 1 | a defect of this program (a traceback is shown) |
| 2 | the command line is wrong |
| 3 | the configuration is wrong, or something it needs is not installed |
| 4 | no broker answered |
| 5 | the broker refused access |
| 6 | the topic cannot be used |
| 7 | a folder or file cannot be used |
| 8 | the ledger cannot be used, or another program is using it |
| 9 | some files failed; the others were done |
| 10 | the embedded broker could not be started or stopped |
| 11 | a destination (S3, Girder, ...) refused, or did not answer |
"""

from __future__ import annotations


class OpenMSIStreamError(Exception):
    """Something went wrong that a person can do something about.

    `what` says what happened and where, `advice` what to do now. Both are plain sentences without a final stop.
    """

    exit_code = 1
    retriable = False

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}" if self.advice else self.what


class UsageError(OpenMSIStreamError):
    """The command line asks for something that does not fit together."""

    exit_code = 2


class ConfigError(OpenMSIStreamError):
    """A configuration file, one of its values or a needed extra is missing or wrong."""

    exit_code = 3


class BrokerUnreachable(OpenMSIStreamError):
    """No broker answered in time; it may later."""

    exit_code = 4
    retriable = True


class AccessRefused(OpenMSIStreamError):
    """The broker answered and refused: credentials, certificate or rights."""

    exit_code = 5


class TopicError(OpenMSIStreamError):
    """The topic is missing, wrongly named, or has settings that cannot carry files."""

    exit_code = 6


class FolderError(OpenMSIStreamError):
    """A folder or file on this machine cannot be used as asked."""

    exit_code = 7


class LedgerError(OpenMSIStreamError):
    """The ledger is in use by another program, damaged, or in a place where it cannot be trusted."""

    exit_code = 8


class SomeFilesFailed(OpenMSIStreamError):
    """The program ran to its end, and these files did not arrive."""

    exit_code = 9


class BrokerProcessError(OpenMSIStreamError):
    """The embedded broker could not be started, stopped or verified."""

    exit_code = 10
