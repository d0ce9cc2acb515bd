"""DATABASE_URL, and what may be shown of it."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import ConfigError
from app.paths import project_path

DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+asyncpg": "postgresql+psycopg",
}
ACCEPTED = "sqlite:///path/to/file.db or postgresql://user:password@host:5432/database"
POSTGRESQL_DEFAULTS = {
    "connect_timeout": "5",
    "application_name": "llm-router",
    "options": "-c statement_timeout=60000 -c jit=off",  # compiling takes longer than any statement here
    # A server that vanished without a word is given up after about 10 s.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


def parse_url(url: str) -> URL:
    """Any accepted spelling in one form. Raises ConfigError, which never shows the password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"DATABASE_URL is not the address of a database; write {ACCEPTED}") from error
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise ConfigError(f"DATABASE_URL: {parsed.drivername!r} is not a database known here; write {ACCEPTED}")
    if driver == "sqlite":
        return _sqlite_url(parsed)
    if not parsed.database:
        raise ConfigError(f"DATABASE_URL names no database: {parsed.render_as_string()}; write {ACCEPTED}")
    query = dict(parsed.query)
    if "ssl" in query:  # asyncpg's spelling
        query["sslmode"] = query.pop("ssl")
    return parsed.set(drivername=driver, query={**POSTGRESQL_DEFAULTS, **query})


def _sqlite_url(url: URL) -> URL:
    if url.host or url.database in (None, "", ":memory:"):
        raise ConfigError(f"DATABASE_URL: {url.render_as_string()} names no file; write sqlite:///path/to/file.db")
    return url.set(drivername="sqlite", database=str(project_path(url.database or "")))


def shown(url: URL) -> str:
    """For messages and logs: without password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def reason(error: Exception, url: URL) -> str:
    """The driver's own words on one line (SQLAlchemy's would add the statement), never with the password."""
    words = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
    return words.replace(url.password, "***") if url.password else words


def sqlite_file(url: URL) -> Path:
    return Path(url.database or "")
