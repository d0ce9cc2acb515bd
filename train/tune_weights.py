"""python -m train.tune_weights --replay FILE...|--since 7d: searches routing weights on stored traffic, by Ray Tune.

Writes into --output: weights.json, a policy to publish; tuning.json, every trial and figure; pareto.png. A run that was
killed goes on where it stopped, from a hidden folder beside the output.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import RouterError
from app.routing.weights import Policy
from app.yaml_file import read_yaml
from train.cluster import cluster
from train.errors import DataError
from train.replayed.policy_file import read_policy
from train.replayed.traffic import Replay
from train.tuning.arguments import read_arguments
from train.tuning.chosen import Tuned, tuned
from train.tuning.folder import traffic, work_folder
from train.tuning.objective import Aims
from train.tuning.report import document, policy, table
from train.tuning.task import Task, task

WEIGHTS, RECORD, PICTURE = "weights.json", "tuning.json", "pareto.png"


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    started = time.monotonic()
    try:
        live, given = read_policy(args.policy)
        aims = read_yaml(args.aims, Aims)
        work = work_folder(args)
        replay = traffic(args, work)
        for note in replay.notes:
            print(note, flush=True)
        tasks = _tasks(args, replay, live, aims)
        with cluster(args.concurrent * args.cpus_per_trial, options="--concurrent or --cpus-per-trial"):
            found = [_searched(args, one, work) for one in tasks]
        content = policy(given, found)
        run = _run(args, live, content, time.monotonic() - started)
        _write(args.output, content, document(replay, found, run), found)
    except RouterError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    print("\n\n".join(map(table, found)))
    print(f"\n{args.output / WEIGHTS}: policy {content['version']}")
    shutil.rmtree(work)
    return 0


def _tasks(args: argparse.Namespace, replay: Replay, live: Policy, aims: Aims) -> list[Task]:
    """A tier without enough traffic keeps its weights; raises DataError when it is the only one."""
    wanted = [args.tier] if args.tier else list(replay.traffic)
    if args.tier and args.tier not in replay.traffic:
        raise DataError(f"there is no traffic of tier {args.tier}; there is of {', '.join(replay.traffic)}")
    found, faults = [], []
    for tier in wanted:
        try:
            found.append(task(replay.traffic[tier], live, aims, args.seed))
        except DataError as error:
            faults.append(error.message)
    if not found:
        raise DataError("\n".join(faults))
    for fault in faults:
        print(f"{fault}; its weights are kept", flush=True)
    return found


def _searched(args: argparse.Namespace, one: Task, work: Path) -> Tuned:
    from train.tuning.search import search  # imports Ray, which the cluster has to prepare

    options = {"trials": args.trials, "concurrent": args.concurrent, "cpus": args.cpus_per_trial, "seed": args.seed}
    return tuned(one, [(each.weights, each.share) for each in search(one, work, **options)])


def _run(args: argparse.Namespace, live: Policy, content: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "seed": args.seed,
        "trials": args.trials,
        "concurrent": args.concurrent,
        "policy": {"live": live.version, "tuned": content["version"]},
    }


def _write(output: Path, content: Mapping[str, Any], record: Mapping[str, Any], found: Sequence[Tuned]) -> None:
    from train.tuning.plot import draw  # matplotlib takes a second to import

    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, given in ((WEIGHTS, content), (RECORD, record)):
            text = json.dumps(given, indent=2, ensure_ascii=False, allow_nan=False)
            (output / name).write_text(text + "\n", encoding="utf-8")
        draw(found, output / PICTURE)
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be written ({error.strerror}); run the same command again"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
