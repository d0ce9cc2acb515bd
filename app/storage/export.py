"""python -m app.storage.export [--since 7d] [--output FILE]: rated and failed requests as JSON lines, to learn from.

A line is {"id", "source", "query", "domain", "orig_label", "difficulty", "outcomes": {model: {"score", "cost_usd",
"in_tokens", "out_tokens"}}}. The score is the rating, 1 to 5 as 0 to 1; a model that failed by its own fault scored 0.
`difficulty` is the complexity that the router saw, 0 to 1. Requests that give no example are counted on stderr.
"""

import argparse
import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from sqlalchemy import Select, and_, select

from app.errors import ConfigError, RouterError
from app.settings import read_settings
from app.storage.database import Database, open_database
from app.storage.judged import models_at_fault, success_of
from app.storage.rows import KEY
from app.storage.tables import table

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Example = dict[str, Any]


class Export:
    """Iterates over examples. `skipped` counts what gives none, by reason, and is complete at the end."""

    def __init__(self, database: Database, since: datetime, tenant: str | None = None) -> None:
        self.skipped: Counter[str] = Counter()
        self._database = database
        self._statement = _requests(since, tenant)

    async def __aiter__(self) -> AsyncIterator[Example]:
        """In the order of the requests. Raises StorageUnavailable."""
        async with self._database.transaction(reads_only=True) as connection:
            found = await connection.stream(self._statement)
            async for row in found.mappings():
                reason = _useless(row)
                if reason:
                    self.skipped[reason] += 1
                else:
                    yield _example(row)


def _requests(since: datetime, tenant: str | None) -> Select[Any]:
    decision, outcome, feedback = (table(name) for name in ("decision", "outcome", "feedback"))
    wanted = [decision.c[name] for name in ("request_id", "query_text", "domain", "complexity")]
    names = ("model", "error", "fallbacks", "cache", "cost_usd", "input_tokens", "output_tokens")
    wanted += [outcome.c[name] for name in names]
    same_outcome, same_feedback = (
        and_(*(decision.c[name] == other.c[name] for name in KEY)) for other in (outcome, feedback)
    )
    joined = decision.join(outcome, same_outcome).outerjoin(feedback, same_feedback)
    whose = [] if tenant is None else [decision.c.tenant == tenant]
    return (
        select(*wanted, feedback.c.rating)
        .select_from(joined)
        .where(decision.c.created_at >= since, *whose)
        .order_by(decision.c.created_at)
    )


def _useless(row: Mapping[str, Any]) -> str | None:
    if row["query_text"] is None:
        return "without text"
    if row["error"] is not None:
        return None if models_at_fault(row["fallbacks"]) else "failed, not through a model's fault"
    return "not rated" if row["rating"] is None or row["model"] is None else None


def _example(row: Mapping[str, Any]) -> Example:
    outcomes = {model: _outcome(0.0, None, 0, 0) for model in models_at_fault(row["fallbacks"])}
    if row["error"] is None:
        score = success_of(row["rating"])
        cost_usd = None if row["cache"] else row["cost_usd"]  # a cache's answer is free, the model is not
        outcomes[row["model"]] = _outcome(score, cost_usd, row["input_tokens"], row["output_tokens"])
    return {
        "id": row["request_id"],
        "source": "llm-router",
        "query": row["query_text"],
        "domain": row["domain"],
        "orig_label": row["domain"],
        "difficulty": row["complexity"],
        "outcomes": outcomes,
    }


def _outcome(score: float, cost_usd: float | None, in_tokens: int, out_tokens: int) -> Example:
    return {"score": score, "cost_usd": cost_usd, "in_tokens": in_tokens, "out_tokens": out_tokens}


def age(text: str) -> timedelta:
    """90m, 24h, 7d or 4w."""
    if (found := re.fullmatch(r"(\d{1,4})([mhdw])", text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time span; write for example 24h, 7d or 4w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


async def write_examples(database: Database, since: datetime, file: BinaryIO) -> tuple[int, Counter[str]]:
    """How many were written, and what was skipped. Raises ConfigError when texts were not stored."""
    export, written = Export(database, since), 0
    async for example in export:
        file.write(orjson.dumps(example, option=orjson.OPT_APPEND_NEWLINE))
        written += 1
    if not written and export.skipped["without text"]:
        raise ConfigError(
            f"all {export.skipped['without text']} requests were stored without their text: nothing can be learnt from "
            "them; set STORE_TEXT=full, and requests from then on can be exported"
        )
    return written, export.skipped


async def _main(url: str, since: timedelta, output: Path | None) -> None:
    database = open_database(url, pool_size=1)
    try:
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as file:
            written, skipped = await write_examples(database, datetime.now(UTC) - since, file)
    finally:
        await database.close()
    print(
        f"{written} requests exported",
        *(f"{n} skipped: {why}" for why, n in skipped.items()),
        sep="; ",
        file=sys.stderr,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.storage.export", description="Rated requests as JSON lines.")
    parser.add_argument(
        "--since", type=age, default=timedelta(days=7), help="how far back, such as 24h or 7d (default)"
    )
    parser.add_argument("--output", type=Path, help="a file; without it, standard output")
    given = parser.parse_args()
    try:
        asyncio.run(_main(read_settings().database_url, given.since, given.output))
    except (RouterError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
