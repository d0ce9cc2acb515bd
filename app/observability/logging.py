"""Log lines: JSON objects in production, readable text in development."""

import atexit
import logging
import sys
import threading
import time
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import orjson

from app.settings import Settings

FLUSH_EVERY_S = 0.25
NAMES = ("llm_router", "app", "deployments")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, event, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class BufferedHandler(logging.Handler):
    """Writes what has gathered every FLUSH_EVERY_S, and at once from WARNING on.

    Writing each line by itself took a quarter of the ingress's time.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))
        if record.levelno >= logging.WARNING:
            self.flush()
        elif self._timer is None:
            self._timer = threading.Timer(FLUSH_EVERY_S, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """A terminal that has gone loses its lines; it does not fail the request that is being logged."""
        with self.lock or nullcontext(), suppress(OSError, ValueError):
            lines, self._lines, timer, self._timer = self._lines, [], self._timer, None
            if timer is not None:
                timer.cancel()
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO decision model=... cause=...`, without the fields that are empty."""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{k}={v}" for k, v in getattr(record, "fields", {}).items() if v not in (None, [])]
        line = " ".join([_clock(int(record.created)), record.levelname, record.getMessage(), *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def configure(settings: Settings) -> None:
    """Sends the router's own loggers to stderr, and nowhere else. Safe to call more than once.

    To the process's own stderr: Serve replaces sys.stderr on its replicas by a buffer that ends in a file.
    """
    handler = BufferedHandler(sys.__stderr__ or sys.stderr)
    atexit.register(handler.flush)
    handler.setFormatter(JsonFormatter() if settings.app_env == "production" else TextFormatter())
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(settings.log_level)
        logger.propagate = False
