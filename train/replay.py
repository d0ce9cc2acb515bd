"""python -m train.replay --replay FILE...|--since 7d --policy FILE: what a policy would have done on stored traffic.

Of files of full outcomes exactly, of the router's own requests by importance weighting and doubly robust; by tier and
by domain, with 95 % intervals. With --against beside another policy.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from app.errors import RouterError
from train.errors import DataError
from train.replayed.arguments import SERVE_CONFIG, add_traffic, read_traffic
from train.replayed.compare import choices, compared
from train.replayed.policy_file import read_policy
from train.replayed.table import document, table


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when traffic or policies cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    policy, _ = read_policy(options.policy)
    against = read_policy(options.against)[0] if options.against else None
    replay = read_traffic(options)
    sections = compared(replay, choices(replay, policy), choices(replay, against) if against else None)
    print(
        "\n".join([f"policy {policy.version}" + (f" against {against.version}" if against else ""), *replay.notes, ""])
    )
    print(table(sections))
    if options.json:
        content = {"policy": policy.version, "against": against and against.version, **document(replay, sections)}
        try:
            options.json.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be written ({error.strerror}); give another path") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train.replay", description=(__doc__ or "").split(": ", 1)[-1])
    add_traffic(parser)
    add = parser.add_argument
    add("--policy", type=Path, default=SERVE_CONFIG, metavar="FILE", help="serve_config.yaml (default) or weights.json")
    add("--against", type=Path, metavar="FILE", help="another policy, such as the one that is live")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
