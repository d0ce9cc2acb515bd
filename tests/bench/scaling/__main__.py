"""python -m tests.bench.scaling --results FOLDER: how the settings in kuberay/serve.yaml carry a day's traffic.

A discrete-event simulation from a seed, with Serve's own scaling decision and the costs that were measured (costs.py);
a day takes one to two minutes. What is in FOLDER is not simulated again. The settings were chosen on day 0.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.bench.scaling.days import simulated
from tests.bench.scaling.figures import Result
from tests.bench.scaling.plot import plot
from tests.bench.scaling.scenarios import SCENARIOS, compared
from tests.bench.scaling.table import table

PLAIN = str.maketrans({" ": "-", ",": "", "'": ""})


def main() -> None:
    args = _parser().parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    wanted = [(name, number) for number in args.days for name in args.scenarios or compared(number)]
    missing = [one for one in wanted if not _file(args.results, *one).is_file()]
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        for one, found in zip(
            missing, pool.map(simulated, *zip(*missing, strict=True)) if missing else (), strict=True
        ):
            _file(args.results, *one).write_text(found.model_dump_json() + "\n")
    results = [Result.model_validate_json(_file(args.results, *one).read_text()) for one in wanted]
    print(table(results))
    if args.json:
        figures = [one.model_dump(exclude={"lines", "requests_per_s"}) for one in results]
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    if args.plot:
        plot([one for one in results if one.day == args.days[0]], args.plot)


def _file(folder: Path, scenario: str, number: int) -> Path:
    return folder / f"{scenario.translate(PLAIN)}-{number}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder for what was simulated, as JSON")
    parser.add_argument("--days", nargs="+", type=int, default=[0, 1, 2], help="a seed each")
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), help="other than the usual ones")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="the figures, without what the plot is drawn from")
    parser.add_argument("--plot", type=Path, help="of the first of the days")
    return parser


if __name__ == "__main__":
    main()
