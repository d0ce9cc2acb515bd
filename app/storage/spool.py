"""Rows that the database did not take yet: JSON lines in a folder, a file a process, on the disk when appended.

A process holds the lock of its file as long as it lives. A file without a holder was left by a process that died: who
comes across it adopts it. Lines that cannot be read, and rows that the database refuses, go to `*.bad` files.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import orjson

from app.storage.records import DecisionRecord, OutcomeRecord
from app.storage.rows import cleaned

Record = DecisionRecord | OutcomeRecord
MEGABYTE = 1_000_000
CHUNK_ROWS, CHUNK_BYTES = 500, 2 * MEGABYTE  # replayed at once: a larger transaction may never end in time
KINDS: dict[str, type[DecisionRecord] | type[OutcomeRecord]] = {"decision": DecisionRecord, "outcome": OutcomeRecord}
TIMES = ("created_at", "finished_at")


class SpoolFull(Exception):
    """Nothing of the batch was kept. The message says why."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records read from a spool file, the lines among them that are none, and where the next ones begin."""

    records: Sequence[Record]
    broken: Sequence[bytes]
    end: int

    @property
    def rows(self) -> int:
        return len(self.records) + len(self.broken)


class SpoolFile:
    """A locked file. `position` is where the rows begin that are not in the database yet. Methods wait for the disk."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.position = 0
        self._file = file

    @classmethod
    def create(cls, folder: Path) -> "SpoolFile":
        """Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = folder / f"{os.getpid()}-{uuid4().hex[:8]}.jsonl"
            if (made := cls._locked(path, path.open("x+b", buffering=0))) is not None:
                return made

    @classmethod
    def adopt(cls, path: Path) -> "SpoolFile | None":
        """None when a living process holds it, when it is gone, or when it is not ours to open."""
        try:
            return cls._locked(path, path.open("r+b", buffering=0))
        except OSError:
            return None

    @classmethod
    def _locked(cls, path: Path, file: BinaryIO) -> "SpoolFile | None":
        """None, and the file closed, when another process was faster: it holds the file, or has removed it."""
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(file.fileno()).st_ino:
                return cls(path, file)
        file.close()
        return None

    def append(self, data: bytes) -> None:
        """All of it or nothing. Raises OSError."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)
            raise

    def count(self) -> int:
        self._file.seek(0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            return sum(1 for _ in lines)

    def read(self) -> Chunk:
        """Lines from `position` on, up to the one that reaches a bound; no rows at the end of the file."""
        end = self._file.seek(self.position)
        records, broken = [], []
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            for line in lines:
                end += len(line)
                try:
                    records.append(_decode(line))
                except (ValueError, TypeError, KeyError, AttributeError):
                    broken.append(line)
                if len(records) + len(broken) == CHUNK_ROWS or end - self.position >= CHUNK_BYTES:
                    break
        return Chunk(records, broken, end)

    def empty(self) -> None:
        self._file.truncate(0)
        self.position = 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._file.close()

    def close(self) -> None:
        """Whoever comes next adopts it."""
        self._file.close()


class Spool:
    """The folder. `max_bytes` bounds all files in it together, those of other processes too."""

    def __init__(self, folder: Path, max_mb: float) -> None:
        self.folder = folder
        self.max_bytes = int(max_mb * MEGABYTE)
        self.own: SpoolFile | None = None

    def append(self, records: Sequence[Record]) -> None:
        """Returns when they are on the disk. Raises SpoolFull."""
        data = b"".join(map(encode, records))
        used = sum(stat.st_size for _, stat in self._files("*"))
        if used + len(data) > self.max_bytes:
            raise SpoolFull(f"{self.folder} holds {used / MEGABYTE:.0f} of {self.max_bytes / MEGABYTE:.0f} MB")
        try:
            if self.own is None:
                self.own = SpoolFile.create(self.folder)
            self.own.append(data)
        except OSError as error:
            raise SpoolFull(f"{self.folder}: {error.strerror}") from error

    def adopt(self) -> list[SpoolFile]:
        """The files of processes that died, oldest first. A file that this process holds is not among them."""
        found = sorted(self._files("*.jsonl"), key=lambda found: found[1].st_mtime)
        return [file for path, _ in found if (file := SpoolFile.adopt(path)) is not None]

    def set_aside(self, lines: Sequence[bytes]) -> None:
        """For a person to look at; never read again by the router."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{os.getpid()}.bad").open("ab") as file:
            file.writelines(line if line.endswith(b"\n") else line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        if self.own is not None:
            if self.own.path.stat().st_size == 0:
                self.own.remove()
            else:
                self.own.close()

    def _files(self, pattern: str) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.glob(pattern):
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue


def encode(record: Record) -> bytes:
    kind = "decision" if isinstance(record, DecisionRecord) else "outcome"
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps({kind: record}, option=option)
    except TypeError:  # half a surrogate pair somewhere
        return orjson.dumps({kind: cleaned(record)}, option=option)


def _decode(line: bytes) -> Record:
    ((kind, fields),) = orjson.loads(line).items()
    times = {name: datetime.fromisoformat(fields[name]) for name in TIMES if name in fields}
    return KINDS[kind](**{**fields, **times})
