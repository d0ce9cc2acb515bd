"""python -m app.keys create --tenant T --tier pro | list | revoke ID: the API keys, in the database of DATABASE_URL.

A new key is printed once, alone on standard output; the database has only a hash of it.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime

from app.domain import Tier
from app.errors import ConfigError, RouterError
from app.keys.key import TENANT, ApiKey, digest, make_token
from app.keys.ring import FRESH_S
from app.settings import read_settings
from app.storage.api_keys import KeyStore
from app.storage.database import open_database
from app.storage.export import age
from app.storage.url import shown

COLUMNS = ("ID", "NAME", "TENANT", "TIER", "ADMIN", "CREATED", "EXPIRES", "LAST USED", "STATE")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when it was not done."""
    given = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(given))
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


async def _run(given: argparse.Namespace) -> None:
    database = open_database(read_settings().database_url, pool_size=1)
    try:
        await given.work(KeyStore(database), given)
    finally:
        await database.close()
    print(f"database: {shown(database.url)}", file=sys.stderr)


async def create(store: KeyStore, given: argparse.Namespace) -> None:
    now, (id_, token) = datetime.now(UTC), make_token()
    expires_at = None if given.expires is None else now + given.expires
    await store.add(
        ApiKey(id_, digest(token), given.name, given.tenant, given.tier, given.admin, now, expires_at=expires_at)
    )
    print(token)
    print(f"key {id_} of {given.tenant}, {given.tier}: keep it now, it is not shown again", file=sys.stderr)


async def show(store: KeyStore, _: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    rows = [COLUMNS, *(_row(key, now) for key in await store.all())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


async def revoke(store: KeyStore, given: argparse.Namespace) -> None:
    key = await store.revoke(given.id, datetime.now(UTC))
    if key is None:
        raise ConfigError(f"there is no key {given.id}; `python -m app.keys list` shows the ids")
    print(f"key {key.id} {key.ended(datetime.now(UTC))}; routers refuse it within {FRESH_S:g} s")


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    admin = "yes" if key.admin else "no"
    days = (_day(key.created_at), _day(key.expires_at), _day(key.last_used_on))
    return key.id, key.name or "-", key.tenant, key.tier, admin, *days, key.ended(now) or "good"


def _day(time: date | None) -> str:
    return "-" if time is None else f"{time:%Y-%m-%d}"


def _tenant(text: str) -> str:
    if not TENANT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: has to be 1 to 64 letters, digits or one of . _ : -")
    return text


def _name(text: str) -> str:
    if not text.isprintable() or not 1 <= len(text) <= 100:
        raise argparse.ArgumentTypeError("has to be 1 to 100 printable characters")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.keys", description="API keys of the router.")
    commands = parser.add_subparsers(required=True, metavar="create | list | revoke")
    new = commands.add_parser("create", help="make a key and print it, once")
    new.add_argument("--tenant", type=_tenant, required=True, help="whose data its requests are")
    new.add_argument("--tier", type=Tier, choices=list(Tier), required=True, help="the highest that it may ask for")
    new.add_argument("--name", type=_name, help="for your own list: who has it, or where it is used")
    new.add_argument("--admin", action="store_true", help="may also see metrics, statistics and policy, of all tenants")
    new.add_argument("--expires", type=age, help="after that time, such as 12h or 90d; without it, never")
    new.set_defaults(work=create)
    commands.add_parser("list", help="all keys, without their secrets").set_defaults(work=show)
    end = commands.add_parser("revoke", help="end a key for good")
    end.add_argument("id", help="as `list` shows it")
    end.set_defaults(work=revoke)
    return parser


if __name__ == "__main__":
    sys.exit(main())
