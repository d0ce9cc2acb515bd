"""A scenario on a day."""

import numpy as np

from app.paths import project_path
from app.routing.weights import Policy
from app.yaml_file import load_yaml
from tests.bench.scaling.figures import Result, result
from tests.bench.scaling.scenarios import SCENARIOS, day
from tests.bench.scaling.simulation import Simulation
from tests.bench.scaling.traffic import DAY_S, requests


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
