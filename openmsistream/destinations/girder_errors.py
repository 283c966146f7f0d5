"""What a Girder server refuses, and why it does not answer, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import DestinationError, Unreachable

if TYPE_CHECKING:
    import requests

_LATER = (408, 425, 429)
"""Refusals that say "not now". Those from 500 on say that the server is in trouble, which passes as well."""

_LONGEST_WORD = 300
"""Characters of an answer that are shown. An error page of a proxy may be long."""

_AWAY = "look at the URL, the network, and whether the server runs"
URL_ADVICE = "look at the URL, which usually ends in /api/v1"


class GirderError(DestinationError):
    """Girder refused, or did not answer. `status` is that of HTTP, None when there was no answer."""

    def __init__(self, what: str, advice: str = "", *, retriable: bool = False, status: int | None = None) -> None:
        super().__init__(what, advice, retriable=retriable)
        self.status = status

    @property
    def says_unknown(self) -> bool:
        """Did it say that what was named is not there? Girder does so with 400 as well as with 404."""
        return self.status in (400, 404)


def no_girder(url: str) -> GirderError:
    """Something answered that is none."""
    return GirderError(f"what answers at {url} is not the API of a Girder server", URL_ADVICE)


def refused(url: str, answer: requests.Response) -> DestinationError:
    """The error for an answer that is not the one that was asked for."""
    status, said = answer.status_code, words(answer)
    if answer.is_redirect:
        return GirderError(
            f"Girder at {url} has moved to {answer.headers['location']:.200}", "give its new URL", status=status
        )
    match status:
        case 401 | 403:
            # Again, since some servers and the proxies before them say so when too much is asked of them at a time.
            return GirderError(
                f"Girder at {url} does not allow it: {said}", "the owner of the API key needs write access there",
                retriable=True, status=status,
            )  # fmt: skip
        case 413:
            return GirderError(
                f"Girder at {url}, or a proxy before it, takes no request of that size: {said}",
                "allow requests of 16 MiB (client_max_body_size, when the proxy is nginx)", status=status,
            )  # fmt: skip
        case 502 | 503:  # a proxy's word for it; 504 may mean that only this request takes long
            return Unreachable(f"Girder at {url} cannot be reached: {said}", _AWAY)
        case _ if status in _LATER or status >= 500:
            return GirderError(
                f"Girder at {url} could not do it now: {said}", "look at the log of the server, and whether its disk is full",
                retriable=True, status=status,
            )  # fmt: skip
    return GirderError(f"Girder at {url} refused: {said}", URL_ADVICE if status == 404 else "", status=status)


def no_answer(url: str, error: requests.RequestException) -> DestinationError:
    """The error for a request that got no answer."""
    import requests
    from urllib3.exceptions import NewConnectionError

    kinds = requests.exceptions
    if isinstance(error, kinds.SSLError):
        return GirderError(
            f"the certificate of {url} was not accepted: {_reason(error)}",
            "if it comes from an authority of your own, name its certificate's file in REQUESTS_CA_BUNDLE",
        )
    late = isinstance(error, kinds.Timeout)
    why = "it took too long" if late else _reason(error)
    met = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, kinds.ConnectTimeout | kinds.ProxyError) or isinstance(met, NewConnectionError):
        return Unreachable(f"no Girder answers at {url}: {why}", _AWAY)
    # Not told apart from an outage by what is heard of it: a proxy that cuts off what is too large for it, every time.
    return GirderError(f"Girder at {url} gave no answer to a request: {why}", _AWAY, retriable=True)


def words(answer: requests.Response) -> str:
    """What an answer says of itself: Girder's message, else the status."""
    try:
        said = answer.json().get("message")
    except (ValueError, AttributeError):
        said = None
    status = f"{answer.status_code} {answer.reason or ''}".strip()
    return " ".join(f"{said} (status {status})".split())[:_LONGEST_WORD] if said else f"status {status}"


def _reason(error: BaseException) -> str:
    """The system's word for what went wrong, from the chain of errors under a request's."""
    under: BaseException | None = error
    while under is not None:
        if isinstance(under, OSError) and under.strerror:
            return under.strerror
        under = under.__cause__ or under.__context__
    return type(error).__name__
