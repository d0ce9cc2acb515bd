"""The options that name traffic, and how they are read: shared by what replays."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from app.models.catalogue import Catalogue
from app.paths import project_path
from app.settings import read_settings
from app.storage.export import age
from train.replayed.logs import from_database
from train.replayed.outcome_files import from_files
from train.replayed.traffic import Replay

SERVE_CONFIG = project_path("serve_config.yaml")


def add_traffic(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="JSONL of full outcomes")
    source.add_argument("--since", type=age, metavar="SPAN", help="the router's own requests, such as of the last 7d")
    add = parser.add_argument
    add("--database", metavar="URL", help="of these requests (default: DATABASE_URL)")
    add("--artifact", type=Path, default=project_path("configs/classifier"), metavar="DIR", help="predicts for files")
    add("--models", type=_names, metavar="A,B", help="of the files: the models to choose from (default: all known)")
    add("--catalogue", type=Path, metavar="FILE", help="of the files: its models, latencies and allowed tiers")


def read_traffic(options: argparse.Namespace) -> Replay:
    """Raises ConfigError, or StorageUnavailable."""
    if options.replay:
        catalogue = Catalogue.read(options.catalogue) if options.catalogue else None
        return from_files(options.replay, options.artifact, options.models, catalogue)
    return from_database(options.database or read_settings().database_url, datetime.now(UTC) - options.since)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]
