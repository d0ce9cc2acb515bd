"""What is compared, and on which days."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.bench.scaling.costs import Costs
from tests.bench.scaling.settings import LLAMA, NAMES, Settings, changed, laptop, production
from tests.bench.scaling.traffic import Day

CHOSEN_ON = 0  # the day that production's settings were chosen on; the others are only reported
NIMBLE = {"upscale_delay_s": 0, "downscale_delay_s": 60, "look_back_period_s": 15}
MEASURED = Costs()
SLOW = replace(MEASURED, pod_start=300.0, replica_start=20.0, llama_start=300.0)


@dataclass(frozen=True)
class Scenario:
    settings: Callable[[], Settings]
    costs: Costs = MEASURED


def laptops_targets() -> Settings:
    """Production's ranges, but the laptop's targets and limits, and Serve's own delay."""
    small, found = laptop(), dict(production())
    for name, deployed in found.items():
        found[name] = replace(deployed, max_ongoing=small[name].max_ongoing, max_queued=small[name].max_queued)
    targets = {
        name: {"target_ongoing_requests": scaling.get_target_ongoing_requests(), "upscale_delay_s": 30.0}
        for name in NAMES
        if (scaling := small[name].scaling) and found[name].scaling
    }
    return changed(found, targets)


def aggressive() -> Settings:
    """Half of production's targets, up at once and down within a minute."""
    given = production()
    changes = {}
    for name in NAMES:
        if scaling := given[name].scaling:
            changes[name] = {"target_ongoing_requests": scaling.get_target_ongoing_requests() / 2, **NIMBLE}
    return changed(given, changes)


def four_llamas() -> Settings:
    return changed(production(), {LLAMA: {"max_replicas": 4}})


SCENARIOS = {
    "one of each": Scenario(laptop),
    "laptop's targets": Scenario(laptops_targets),
    "production": Scenario(production),
    "aggressive": Scenario(aggressive),
    "production, slow start": Scenario(production, SLOW),
    "production, four Llamas": Scenario(four_llamas),
}

ON_OTHER_DAYS = ("laptop's targets", "production", "aggressive")


def compared(number: int) -> tuple[str, ...]:
    """The scenarios of a day: all on the one that the settings were chosen on."""
    return tuple(SCENARIOS) if number == CHOSEN_ON else ON_OTHER_DAYS


def day(number: int) -> Day:
    return Day() if number == CHOSEN_ON else Day.drawn(np.random.default_rng(number))
