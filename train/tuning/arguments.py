"""The command line of tuning."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from app.domain import Tier
from app.paths import project_path
from train.replayed.arguments import SERVE_CONFIG, add_traffic


def read_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Ends the process with status 2 on what makes no sense."""
    parser = _parser()
    args = parser.parse_args(given)
    for name in ("trials", "concurrent", "cpus_per_trial"):
        if not 0 < getattr(args, name) < math.inf:
            parser.error(f"--{name.replace('_', '-')} {getattr(args, name)}: has to be above 0")
    args.output = args.output.resolve()
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.tune_weights",
        description="Searches routing weights on stored traffic. Goes on where a killed run stopped.",
    )
    add_traffic(parser)
    add = parser.add_argument
    add("--policy", type=Path, default=SERVE_CONFIG, metavar="FILE", help="the live one (default: serve_config.yaml)")
    add("--aims", type=Path, default=project_path("configs/tuning.yaml"), metavar="FILE", help="what to look for")
    add("--tier", type=Tier, choices=list(Tier), help="tune this one only")
    add("--trials", type=int, default=200, help="for each tier (default: 200)")
    add("--concurrent", type=int, default=2, help="trials at once (default: 2)")
    add("--cpus-per-trial", type=float, default=0.5, help="booked with Ray (default: 0.5)")
    add("--output", type=Path, default=Path("tuned"), metavar="DIR", help="(default: tuned)")
    add("--seed", type=int, default=7, help="with --concurrent 1 the same seed makes the same search")
    return parser
