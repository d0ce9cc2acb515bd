"""python -m train.publish --weights FILE | --artifact DIR: puts a policy or classifier into service, if it is no worse.

Compares it with what is live on stored traffic, and refuses unless the lower bound of the quality change is above the
allowed loss. Then it goes to the running cluster as user_config, without a restart, and into the record of releases.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.errors import ConfigError, RouterError
from app.settings import read_settings
from app.storage.export import age
from app.storage.releases import Draft, Part, newest_live
from train.errors import PublishError
from train.publishing.candidate import check_content, check_new, of_artifact, of_weights
from train.publishing.comparison import comparison
from train.publishing.gate import refusal
from train.publishing.push import found
from train.publishing.registry import Registry, origin
from train.publishing.serve_api import ServeApi


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when it was not published."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    if not 0 <= options.max_loss <= 1 or math.isnan(options.max_loss):
        raise ConfigError(f"--max-loss {options.max_loss}: has to be from 0 to 1")
    options.database = options.database or read_settings().database_url
    part = Part.WEIGHTS if options.weights else Part.CLASSIFIER
    draft = of_weights(options.weights) if options.weights else of_artifact(options.artifact)
    api, registry = ServeApi(options.dashboard), Registry(options.database)
    live = found(api, part)
    check_content(part, live.content, "the live user_config")
    check_new(part, draft, live)
    newest = newest_live(registry.history(part))
    refused, draft = _judged(options, api, part, draft)
    if refused and not options.force:
        registry.refuse(part, draft)
        raise PublishError(f"{part} {draft.version} is refused: {refused}; --force REASON publishes it all the same")
    release = registry.publish(api, part, draft, live, newest)
    forced = ", by force" if refused else ""
    print(f"{part} {draft.version} is live, release {release.sequence}{forced}; before it {live.version} was")


def _judged(options: argparse.Namespace, api: ServeApi, part: Part, draft: Draft) -> tuple[str | None, Draft]:
    """Why it is refused, and the draft with its lineage. Traffic that cannot be used is a reason too."""
    document = None
    try:
        told = comparison(options, part, draft, api.read())
        refused, document = refusal(told.change, options.max_loss), told.document
        print(told.text, flush=True)
    except RouterError as error:
        refused = f"it could not be compared: {error.message}"
    judged = {
        "comparison": document,
        "max_loss": options.max_loss,
        "refusal": refused,
        "forced": options.force if refused else None,
    }
    return refused, replace(draft, lineage={**draft.lineage, **origin(), **judged})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.publish", description=(__doc__ or "").split(": ", 1)[-1])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--weights", type=Path, metavar="FILE", help="a policy: weights.json of tuning, or a serve_config"
    )
    what.add_argument("--artifact", type=Path, metavar="DIR", help="a classifier; every replica has to see this folder")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="compare on JSONL of full outcomes")
    source.add_argument("--since", type=age, default="7d", metavar="SPAN", help="compare on requests (default: of 7d)")
    add = parser.add_argument
    add("--models", type=lambda given: given.split(","), metavar="A,B", help="of the files (default: the catalogue's)")
    add("--max-loss", type=float, default=0.01, metavar="LOSS", help="of quality, 0 to 1 (default: 0.01)")
    add("--force", metavar="REASON", help="publish what is refused; the reason is recorded")
    add("--dashboard", metavar="URL", help="of the Ray cluster (default: RAY_DASHBOARD_ADDRESS, else this machine's)")
    add("--database", metavar="URL", help="of the router (default: DATABASE_URL)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
