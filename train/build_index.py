"""python -m train.build_index: fills the memory of outcomes from the router's database, or from files of outcomes.

What is there already is replaced, never doubled. A run that was killed goes on where it stopped. Chroma in a folder has
one writer: while a router serves from it, `--live` hands the memories to that router.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from app.artifacts.minilm import ensure_minilm
from app.errors import RouterError
from app.memory.embedder import MiniLMEmbedder
from app.memory.history.memory import Memory
from app.paths import project_path
from app.settings import read_settings
from app.storage.database import open_database
from train.indexing.mark import Mark
from train.indexing.sources import OutcomeFile, Page, Requests, Source
from train.indexing.target import Add, live, opened, read_memory_config

SERVE_CONFIG = project_path("serve_config.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    args = _arguments(arguments)
    try:
        asyncio.run(_main(args))
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}; run the same command again: it goes on where it stopped", file=sys.stderr)
        return 1
    return 0


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train.build_index", description="Fills the memory of outcomes.")
    add = parser.add_argument
    add("--outcomes", nargs="+", type=Path, default=[], metavar="FILE", help="JSONL: each model's score is an outcome")
    add("--tenant", default="default", help="whose memories those of the files are (default: default)")
    add("--database", metavar="URL", help="of a router (default: DATABASE_URL, unless there are files)")
    add("--config", type=Path, default=SERVE_CONFIG, metavar="FILE", help="of the router (default: serve_config.yaml)")
    add("--folder", type=Path, metavar="DIR", help="another folder than the config says")
    add("--fresh", action="store_true", help="delete all that is remembered first, of all tenants")
    add("--live", action="store_true", help="into the memory of the router that serves")
    args = parser.parse_args(given)
    if args.live and (args.fresh or args.folder):
        parser.error("--live fills the memory as the router has it: leave --fresh and --folder out")
    if args.folder:
        args.folder = args.folder.resolve()
    return args


async def _main(args: argparse.Namespace) -> None:
    settings, config = read_settings(), read_memory_config(args.config)
    url = None if args.folder else settings.chroma_url
    if args.folder:
        config = config.model_copy(update={"folder": str(args.folder)})
    where = _where(config.folder, url, live=args.live)
    mark = Mark(project_path(config.folder), where, fresh=args.fresh)
    database = args.database or (None if args.outcomes else settings.database_url)
    async with _sources(args.outcomes, args.tenant, database) as sources:
        target: AbstractAsyncContextManager[Add]
        target = live() if args.live else opened(config, url, fresh=mark.begins_fresh)
        async with target as add:
            count = await _fill(sources, add, mark)
    mark.done()
    for source in sources:
        if source.faults.counts:
            print(source.faults, file=sys.stderr)
    print(f"{count} memories in {where}")


def _where(folder: str, url: str | None, *, live: bool) -> str:
    """Without a token."""
    if live:
        return "the router that serves"
    return url.rpartition("@")[2] if url else folder


@asynccontextmanager
async def _sources(files: Sequence[Path], tenant: str, url: str | None) -> AsyncIterator[list[Source]]:
    sources: list[Source] = [OutcomeFile(path, tenant) for path in files]
    if url is None:
        yield sources
        return
    database = open_database(url, pool_size=1)
    try:
        yield [*sources, Requests(database)]
    finally:
        await database.close()


async def _fill(sources: Sequence[Source], add: Add, mark: Mark) -> int:
    embedder = MiniLMEmbedder(ensure_minilm())
    count = await add(())
    left = [await source.count(mark.of(source.name)) for source in sources]
    with tqdm(total=sum(left), desc="remembering", unit="query") as bar:
        for source in sources:
            async for page in source.pages(mark.of(source.name)):
                count = await add(_embedded(page, embedder))
                mark.put(source.name, page.position)
                bar.update(page.read)
    return count


def _embedded(page: Page, embedder: MiniLMEmbedder) -> list[Memory]:
    vectors = embedder.embed([text for text, _ in page.queries])
    return [replace(memory, vector=one.tobytes()) for (_, memory), one in zip(page.queries, vectors, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
