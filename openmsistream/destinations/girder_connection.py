"""Requests to a Girder server: a session for each thread, and a token that is renewed.

Written on `requests`; `girder_client` is made only for programs that ask for one. That library sends the API key in the
URL, where servers and proxies log it and its errors repeat it; it has no time limits, and it copies what it uploads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import openmsistream
from openmsistream.config import container
from openmsistream.errors import ConfigError, UsageError

from .girder_errors import GirderError, no_answer, no_girder, refused, words
from .girder_key import ApiKey

if TYPE_CHECKING:
    import requests

EXTRA = "girder"

CONNECT_WITHIN = 10.0
ANSWER_WITHIN = 300.0
"""Seconds. After the last piece of a large file a server may be busy for minutes, putting it together."""

_BYTES = {"Content-Type": "application/octet-stream"}


class Connection:
    """A Girder server by the URL of its API, such as `https://girder.example.org/api/v1`. Any thread may use it."""

    def __init__(self, url: str, key: ApiKey, program: str = "openmsistream") -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise _no_url(url)
        try:
            import requests
        except ImportError as error:
            raise ConfigError(
                "the transfer to Girder needs requests, which is not installed", container.extra(EXTRA)
            ) from error
        self.url = url.rstrip("/")
        self._key = key
        self._requests = requests
        self._agent = f"OpenMSIStream/{openmsistream.__version__} ({program}) {requests.utils.default_user_agent()}"
        self._mine = threading.local()
        self._sessions: list[requests.Session] = []
        self._of_sessions, self._of_token = threading.Lock(), threading.Lock()
        self._token = ""

    def __repr__(self) -> str:
        return f"<Girder at {self.url}>"

    # -- requests: each raises GirderError -------------------------------------------------------------

    def get(self, path: str, **params: object) -> Any:
        """What is at a path of the API."""
        return self._told("GET", path, params=params)

    def post(self, path: str, params: Mapping[str, object], body: bytes | memoryview | None = None) -> Any:
        """Make something. Without a body the parameters travel in its place: a URL must not be long, metadata may be."""
        if body is None:
            return self._told("POST", path, data=params)
        return self._told("POST", path, params=params, data=body, headers=_BYTES)

    def put(self, path: str, json: object = None, **params: object) -> Any:
        """Change something."""
        return self._told("PUT", path, params=params, json=json)

    def delete(self, path: str) -> None:
        """Remove something."""
        self._allowed("DELETE", path).close()

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """The bytes at a path, some at a time."""
        with self._allowed("GET", path, stream=True) as answer:
            try:
                yield from answer.iter_content(size)
            except self._requests.RequestException as error:
                raise no_answer(self.url, error) from error

    def _told(self, method: str, path: str, **how: Any) -> Any:
        return self._content(self._allowed(method, path, **how))

    def _content(self, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise no_girder(self.url) from error

    def _allowed(self, method: str, path: str, **how: Any) -> requests.Response:
        """An answer that is none of refusal. A token that has run out is renewed once."""
        token = self.token
        answer = self._answer(method, path, token, **how)
        if answer.status_code == 401:
            self._renew(token)
            answer = self._answer(method, path, self.token, **how)
        if not answer.ok or answer.is_redirect:
            raise refused(self.url, answer)
        return answer

    def _answer(self, method: str, path: str, token: str = "", **how: Any) -> requests.Response:
        headers = {"User-Agent": self._agent, "Girder-Token": token, **how.pop("headers", {})}
        try:
            return self._session().request(
                method, f"{self.url}/{path}", headers={name: value for name, value in headers.items() if value},
                timeout=(CONNECT_WITHIN, ANSWER_WITHIN), allow_redirects=False, **how,
            )  # fmt: skip
        except self._requests.exceptions.InvalidURL as error:
            raise _no_url(self.url) from error
        except self._requests.RequestException as error:
            raise no_answer(self.url, error) from error

    def _session(self) -> requests.Session:
        """A session may not be shared by threads."""
        if not hasattr(self._mine, "session"):
            self._mine.session = self._requests.Session()
            with self._of_sessions:
                self._sessions.append(self._mine.session)
        session: requests.Session = self._mine.session
        return session

    def close(self) -> None:
        """Let go of what is open; a request that is made afterwards opens anew."""
        with self._of_sessions:
            for session in self._sessions:
                session.close()

    # -- who we are ------------------------------------------------------------------------------------

    def check(self) -> None:
        """Is a Girder there, and does it take the key?"""
        answer = self._answer("GET", "system/version")
        if not answer.ok or answer.is_redirect:
            raise no_girder(self.url) if answer.status_code == 404 else refused(self.url, answer)
        version = self._content(answer)
        if not isinstance(version, dict) or not version.keys() & {"release", "apiVersion"}:
            raise no_girder(self.url)
        self._renew(self._token)

    @property
    def token(self) -> str:
        """What stands for the key in requests; asked for when it is needed first."""
        if not self._token:
            self._renew("")
        return self._token

    def client(self) -> Any:
        """A `girder_client.GirderClient` with our token, for programs that want one; each thread has its own."""
        try:
            import girder_client
        except ImportError as error:
            raise ConfigError(
                "girder_client, Girder's own library, is not installed", container.extra(EXTRA)
            ) from error
        if not hasattr(self._mine, "client"):
            self._mine.client = girder_client.GirderClient(apiUrl=self.url)
        self._mine.client.setToken(self.token)
        return self._mine.client

    def _renew(self, old: str) -> None:
        """Get a new token for the key, unless another thread has done so meanwhile."""
        with self._of_token:
            if self._token != old:
                return
            answer = self._answer("POST", "api_key/token", data={"key": self._key.reveal()})
            if answer.status_code in (400, 401, 403):
                raise GirderError(
                    f"Girder at {self.url} refused the API key from {self._key.origin}: {self._key.hidden_in(words(answer))}",
                    "look in Girder under My account, API keys, whether it is there and active", status=401,
                )  # fmt: skip
            if not answer.ok or answer.is_redirect:
                raise refused(self.url, answer)
            try:
                self._token = str(self._content(answer)["authToken"]["token"])
            except (KeyError, TypeError) as error:
                raise no_girder(self.url) from error


def _no_url(url: str) -> UsageError:
    return UsageError(
        f"{url!r} is not the URL of a Girder server", "give one such as https://girder.example.org/api/v1"
    )
