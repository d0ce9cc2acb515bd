"""Log lines: JSON objects in production, readable text in development."""

import logging
import sys
from datetime import UTC, datetime

import orjson

from app.settings import Settings

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


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO decision model=... cause=...`, without the fields that are empty."""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{k}={v}" for k, v in getattr(record, "fields", {}).items() if v not in (None, [])]
        clock = self.formatTime(record, "%H:%M:%S")
        line = " ".join([clock, record.levelname, record.getMessage(), *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(settings: Settings) -> None:
    """Sends the router's own loggers to stderr, and nowhere else. Safe to call more than once.

    To the process's own stderr: Serve replaces sys.stderr on its replicas by a buffer that ends in a file.
    """
    handler = logging.StreamHandler(sys.__stderr__)
    handler.setFormatter(JsonFormatter() if settings.app_env == "production" else TextFormatter())
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(settings.log_level)
        logger.propagate = False
