"""The hidden folder beside the output, from which a killed run goes on with the same traffic and trials."""

import argparse
import hashlib
import json
import pickle
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.classifier.artifact import MANIFEST
from app.digest import sha256
from app.settings import read_settings
from app.storage.url import parse_url, shown
from train.errors import DataError
from train.replayed.arguments import read_traffic
from train.replayed.traffic import Replay


def work_folder(args: argparse.Namespace) -> Path:
    """Kept while it is the same job: files, policy, aims and options. Raises ConfigError."""
    work: Path = args.output.with_name(f".{args.output.name}.work")
    mark, same = work / "job.json", _job(args)
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == same:
        print(f"going on from {work}", flush=True)
        return work
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        mark.write_text(json.dumps(same), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{work}: cannot be written ({error.strerror}); give another --output") from error
    return work


def traffic(args: argparse.Namespace, work: Path) -> Replay:
    """Read once: requests that come in meanwhile would make it another job."""
    file = work / "traffic.pickle"
    if file.is_file():
        found: Replay = pickle.loads(file.read_bytes())
        return found
    found = read_traffic(args)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(found))
    part.replace(file)
    return found


def _job(args: argparse.Namespace) -> dict[str, Any]:
    """A password of the database is left out."""
    files = [args.policy, args.aims, *(args.replay or []), *([args.catalogue] if args.catalogue else [])]
    if args.replay:
        files.append(args.artifact / MANIFEST)
    try:
        hashes = [sha256(path) for path in files]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); check the path") from error
    database = None if args.replay else shown(parse_url(args.database or read_settings().database_url))
    names = ("models", "tier", "trials", "concurrent", "cpus_per_trial", "seed")
    return {
        "files": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "since": str(args.since),
        "database": database,
        "router": version("llm-router"),
        **{name: getattr(args, name) for name in names},
    }
