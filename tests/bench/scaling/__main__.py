"""python -m tests.bench.scaling --results FOLDER: how the settings in kuberay/serve.yaml carry a day's traffic.

A discrete-event simulation from a seed, with Serve's own scaling decision and the costs that were measured (costs.py);
a day takes one to two minutes. What is in FOLDER is not simulated again. The settings were chosen on day 0.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from app.paths import project_path
from app.routing.weights import Policy
from app.yaml_file import load_yaml
from tests.bench.scaling.figures import Result, result
from tests.bench.scaling.plot import plot
from tests.bench.scaling.scenarios import SCENARIOS, day
from tests.bench.scaling.simulation import Simulation
from tests.bench.scaling.table import table
from tests.bench.scaling.traffic import DAY_S, requests

PLAIN = str.maketrans({" ": "-", ",": "", "'": ""})


def main() -> None:
    args = _parser().parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    wanted = [(name, number) for number in args.days for name in args.scenarios]
    missing = [one for one in wanted if not _file(args.results, *one).is_file()]
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        for one, found in zip(
            missing, pool.map(simulated, *zip(*missing, strict=True)) if missing else (), strict=True
        ):
            _file(args.results, *one).write_text(found.model_dump_json() + "\n")
    results = [Result.model_validate_json(_file(args.results, *one).read_text()) for one in wanted]
    print(table(results))
    if args.plot:
        plot([one for one in results if one.day == args.days[0]], args.plot)


def simulated(name: str, number: int) -> Result:
    scenario = SCENARIOS[name]
    settings = scenario.settings()
    simulation = Simulation(settings, policy(), scenario.costs)
    simulation.run(requests(day(number), np.random.default_rng(number)), DAY_S)
    return result(name, number, simulation, settings)


def policy() -> Policy:
    """The limits in time of the stages."""
    shipped = load_yaml(project_path("serve_config.yaml"))["applications"][0]["deployments"][0]  # type: ignore[index]
    return Policy.read(shipped["user_config"], "serve_config.yaml")


def _file(folder: Path, scenario: str, number: int) -> Path:
    return folder / f"{scenario.translate(PLAIN)}-{number}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder for what was simulated, as JSON")
    parser.add_argument("--days", nargs="+", type=int, default=[0, 1, 2], help="a seed each")
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="of the first of the days")
    return parser


if __name__ == "__main__":
    main()
