"""python -m train.rollback [--part PART] [--to VERSION]: back to what was live before, without a restart."""

import argparse
import sys
from collections.abc import Sequence

from app.errors import RouterError
from app.settings import read_settings
from app.storage.releases import Draft, Part, newest_live
from train.publishing.candidate import check_content, check_new
from train.publishing.previous import RESTORES, previous
from train.publishing.push import found
from train.publishing.registry import Registry, origin
from train.publishing.serve_api import ServeApi


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when what is live stayed."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    part = Part(options.part)
    api, registry = ServeApi(options.dashboard), Registry(options.database or read_settings().database_url)
    live, history = found(api, part), registry.history(part)
    target = previous(history, live, options.to)
    check_content(part, target.content, f"release {target.sequence}")
    draft = Draft(target.version, target.content, {RESTORES: target.sequence, **origin()})
    check_new(part, draft, live)
    release = registry.publish(api, part, draft, live, newest_live(history))
    print(f"{part} {draft.version} is live again, release {release.sequence}; before it {live.version} was")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.rollback", description=(__doc__ or "").split(": ", 1)[-1])
    add = parser.add_argument
    add("--part", choices=list(Part), default=Part.WEIGHTS, help="what goes back (default: weights)")
    add("--to", metavar="VERSION", help="one that was live (default: the one before)")
    add("--dashboard", metavar="URL", help="of the Ray cluster (default: RAY_DASHBOARD_ADDRESS, else this machine's)")
    add("--database", metavar="URL", help="of the router (default: DATABASE_URL)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
