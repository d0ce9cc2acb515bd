"""What models take now: the catalogue first, then the median of what was seen lately, longer with a queue."""

from app.models.catalogue import Catalogue
from app.models.latencies import ENOUGH, FRESH_S, Latencies
from tests.fakes.router import catalogue

MODELS = catalogue("http://127.0.0.1:1")
SMALL = MODELS.models["small"].model_copy(update={"parallel_requests": 4, "upstream_name": "local-small"})
CATALOGUE = Catalogue({**MODELS.models, "small": SMALL})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_median_of_the_last_answers_takes_the_place_of_the_catalogues_figure_and_expires() -> None:
    clock = Clock()
    latencies = Latencies(CATALOGUE, lambda _: 0, clock)
    for _ in range(ENOUGH - 1):
        latencies.observe("medium", 50.0)
    assert latencies.expected_ms()["medium"] == 1000.0
    for ms in (50.0, 50.0, 9000.0):
        latencies.observe("medium", ms)
    assert latencies.expected_ms()["medium"] == 50.0
    clock.now = FRESH_S + 1
    assert latencies.expected_ms()["medium"] == 1000.0
    latencies.observe("a model of yesterday's catalogue", 1.0)


def test_a_local_model_gets_slower_with_its_queue() -> None:
    waiting = {"local-small": 0}
    latencies = Latencies(CATALOGUE, lambda name: waiting[name])
    assert latencies.expected_ms()["small"] == 1000.0
    waiting["local-small"] = 8
    assert latencies.expected_ms()["small"] == 3000.0
