"""The connection to Chroma: a folder that one process writes, or a server."""

import fcntl
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import Request, urlopen

import chromadb
from chromadb.api.client import Client
from chromadb.config import Settings

from app.errors import ConfigError

LOCK = "writer.lock"
DEFAULT_PORTS = {"http": 8000, "https": 443}
TIMEOUT_S = 5.0  # of one call to a server


class Connection:
    """A client, what it is connected to in words, and how to let go of it."""

    def __init__(self, client: Any, where: str, release: Callable[[], None]) -> None:
        self.client: Client = client  # Chroma declares a base class without `close`
        self.where = where
        self._release = release

    def close(self) -> None:
        self.client.close()
        self._release()


def open_folder(folder: Path) -> Connection:
    """Blocks. Raises ConfigError when the folder cannot be written, is in use, or is broken."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(f"memory folder {folder}: {error.strerror}; give it to this user, or name another") from error
    try:
        _lock(lock, folder)
        client = chromadb.PersistentClient(folder, settings=_settings())
    except ConfigError:
        os.close(lock)
        raise
    except Exception as error:
        os.close(lock)
        raise ConfigError(
            f"memory folder {folder}: Chroma cannot open it ({error}); move it away, and fill a new one with "
            "`python -m train.build_index`"
        ) from error
    return Connection(client, f"folder {folder}", partial(os.close, lock))


def open_server(url: str) -> Connection:
    """Blocks. http://host:8000, or https://:token@host, whose token goes along as a bearer.

    Raises ConfigError for an address that is none, OSError when nobody answers there in time.
    """
    parts = _parts(url)
    headers = {"Authorization": f"Bearer {unquote(parts.password)}"} if parts.password else {}
    port, ssl = parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme == "https"
    beat = Request(f"{parts.scheme}://{parts.hostname}:{port}/api/v2/heartbeat", headers=headers)
    urlopen(beat, timeout=TIMEOUT_S).close()  # Chroma's client has no time limit, nor closes its sessions
    client: Any = chromadb.HttpClient(parts.hostname or "", port, ssl=ssl, headers=headers, settings=_settings())
    sessions = [one._server._session for one in (client, client._admin_client)]

    def release() -> None:
        for session in sessions:
            session.close()

    for session in sessions:
        session.timeout = TIMEOUT_S
    return Connection(client, f"Chroma server {parts.scheme}://{parts.hostname}:{port}", release)


def _parts(url: str) -> SplitResult:
    wrong = ConfigError("CHROMA_URL: is no address of a Chroma server; write it like http://host:8000")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError as error:
        raise wrong from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise wrong
    return parts


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(
            f"memory folder {folder}: another process has it open, and only one may write; stop that one (a router "
            "that serves?), or run a Chroma server and name it by CHROMA_URL"
        ) from error


def _settings() -> Settings:
    logging.getLogger("chromadb").setLevel(logging.WARNING)
    return Settings(anonymized_telemetry=False)
