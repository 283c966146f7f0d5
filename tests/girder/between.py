"""What may stand between a program and a Girder server: it counts requests, loses answers, cuts lines and refuses."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Trouble = Callable[["Handler", bytes], bool]
"""Does something about a request in place of passing it on, and says whether it did."""


class Between:
    """A proxy on loopback before the server at this address. `seen` has each request as "METHOD path?query"."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.behind = (parts.hostname or "", parts.port or 80)
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._troubles: list[tuple[re.Pattern[str], int, Trouble]] = []
        self._lock = threading.Lock()
        made = type("_Handler", (Handler,), {"between": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), made)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, pattern: str) -> int:
        """How many requests this regular expression finds."""
        return sum(re.search(pattern, request) is not None for request in self.seen)

    def cause(self, pattern: str, trouble: Trouble, times: int = 1) -> None:
        """Have the next so many requests that match run into trouble."""
        with self._lock:
            self._troubles.append((re.compile(pattern), times, trouble))

    def trouble_for(self, request: str) -> Trouble | None:
        with self._lock:
            for index, (pattern, times, trouble) in enumerate(self._troubles):
                if pattern.search(request):
                    self._troubles[index : index + 1] = [(pattern, times - 1, trouble)] if times > 1 else []
                    return trouble
        return None


@contextmanager
def between(url: str) -> Iterator[Between]:
    made = Between(url)
    try:
        yield made
    finally:
        made.close()


# -- troubles ----------------------------------------------------------------------------------------------------


def answers(status: int, message: str = "") -> Trouble:
    """The request is not passed on, and answered with this status."""
    return says({"message": message, "type": "rest"}, status)


def says(content: object, status: int = 200) -> Trouble:
    """The request is not passed on, and answered so."""

    def trouble(handler: Handler, body: bytes) -> bool:
        handler.reply(status, json.dumps(content).encode(), "application/json")
        return True

    return trouble


def loses_the_answer(handler: Handler, body: bytes) -> bool:
    """The server does it, and nobody hears that it did."""
    handler.pass_on(body)
    handler.close_connection = True
    return True


def cuts_in_the_middle(handler: Handler, body: bytes) -> bool:
    """The server gets half of the body, then the line breaks."""
    connection = http.client.HTTPConnection(*handler.between.behind, timeout=20)
    connection.putrequest(handler.command, handler.path, skip_accept_encoding=True)
    for name, value in handler.headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body[: len(body) // 2])
    connection.close()
    handler.close_connection = True
    return True


def first(act: Callable[[], Any]) -> Trouble:
    """Something happens before the request is passed on."""

    def trouble(handler: Handler, body: bytes) -> bool:
        act()
        return False

    return trouble


class Handler(BaseHTTPRequestHandler):
    """Passes one request on."""

    between: Between
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path}"
        self.between.seen.append(request)
        self.between.headers.append(dict(self.headers.items()))
        trouble = self.between.trouble_for(request)
        if trouble is not None and trouble(self, body):
            return
        try:
            self.reply(*self.pass_on(body))
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # as if nobody were there

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def pass_on(self, body: bytes) -> tuple[int, bytes, str]:
        """The server's answer."""
        connection = http.client.HTTPConnection(*self.between.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "")
        finally:
            connection.close()

    def reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status in (301, 302):
            self.send_header("Location", "https://elsewhere.example.org/api/v1/system/version")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
