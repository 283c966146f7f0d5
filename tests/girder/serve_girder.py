"""Run a Girder server on this machine: started by girder_server.py, with the Python of an environment that has Girder.

All of it is Girder's own, but the database: mongomock stands in for MongoDB, in this process. What is in the database is
written to a file after each request and read again at the start, so that a server that was killed goes on where it was.

Arguments: the port, and a folder for files, database and `keys.json`, the API keys of two users.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from pathlib import Path

import mongomock
import mongomock.codec_options
import mongomock.collection
import pymongo
import pymongo.cursor

CLIENT = mongomock.MongoClient("mongodb://localhost/girder")


def stand_in() -> None:
    """Have Girder take mongomock for pymongo."""
    options = mongomock.codec_options
    options.is_supported = lambda asked: options.CodecOptions(tz_aware=asked.tz_aware) if asked else None
    cursor = mongomock.collection.Cursor
    cursor.count = lambda self, with_limit_and_skip=False: len(self._compute_results(with_limit_and_skip))
    pymongo.cursor.Cursor = cursor
    pymongo.MongoClient = lambda *args, **kwargs: CLIENT


class Kept:
    """The database in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def read(self) -> None:
        if self._file.exists():
            for name, documents in pickle.loads(self._file.read_bytes()).items():
                if documents:
                    CLIENT["girder"][name].insert_many(documents)

    def write(self) -> None:
        with self._lock:
            names = CLIENT["girder"].list_collection_names()
            content = {name: list(CLIENT["girder"][name].find()) for name in names}
            part = self._file.with_suffix(".part")
            part.write_bytes(pickle.dumps(content))
            os.replace(part, self._file)

    def after_each(self, app):
        """A WSGI application that keeps the database before it answers."""

        def answer(environ, start_response):
            body = app(environ, start_response)
            if environ["REQUEST_METHOD"] != "GET":
                self.write()
            return body

        return answer


def people(place: Path) -> None:
    """An administrator and somebody without rights, and their API keys."""
    from girder.models.api_key import ApiKey
    from girder.models.assetstore import Assetstore
    from girder.models.user import User

    file = place / "keys.json"
    if not file.exists():
        User()._cryptContext.scheme = "plaintext"
        admin = User().createUser("admin", "password", "A", "D", "admin@example.org", admin=True)
        guest = User().createUser("guest", "password", "G", "U", "guest@example.org", admin=False)
        Assetstore().createFilesystemAssetstore("files", str(place / "files"))
        keys = {user["login"]: ApiKey().createApiKey(user, "tests")["key"] for user in (admin, guest)}
        file.write_text(json.dumps(keys))


def end_with_whoever_started_it() -> None:
    """Standard input ends when that process does."""
    sys.stdin.read()
    os._exit(0)


def main(port: int, place: Path) -> None:
    threading.Thread(target=end_with_whoever_started_it, daemon=True).start()
    stand_in()
    kept = Kept(place / "database")
    kept.read()
    from girder.utility import config

    config.getConfig()["database"] = {"uri": "mongodb://localhost/girder"}
    people(place)
    kept.write()

    import uvicorn
    from girder.asgi import _WSGIBridge, wsgi_app
    from girder_worker.app import app as worker

    worker.conf.task_always_eager = True  # what a worker of Girder does beside it is done at once

    app = _WSGIBridge(kept.after_each(wsgi_app))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
