"""One endpoint of a provider fails in every way there is, and the next candidate answers."""

from collections.abc import Sequence

import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import Answer, load
from tests.cluster.report import last_for_a_while, record, time_until

pytestmark = pytest.mark.cluster

CLIENTS = 20  # as some of them wait for a provider that hangs
FAULTS = {
    "errors": "30 % of a provider's answers are errors",
    "hang": "a provider hangs",
    "half": "a provider sends half of each answer",
    "garbage": "a provider sends garbage",
    "drip": "a provider sends a byte a second",
    "reset": "a provider resets connections",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provider_that_fails_costs_no_answer_but_streams_that_had_begun(faulty: Faulty, fault: str) -> None:
    with load([faulty.router.url], model="auto", clients=CLIENTS) as loaded:
        before = loaded.wait_for(1, "before")
        faulty.first.fail(fault)
        try:
            during = loaded.wait_for(40, "under the fault")
            last_for_a_while()
        finally:
            faulty.first.answer()
        ended = len(loaded.answers)
        recovered_s = time_until(lambda: "first" in models(loaded.answers[ended:]), "the first model")
        loaded.wait_for(1, "after")
    record(FAULTS[fault], loaded, recovered_s)
    assert loaded.lost == [] == loaded.broken_off
    loaded.check()
    assert models(before) == {"first"}
    assert "second" in models(during)


def models(answers: Sequence[Answer]) -> set[str]:
    return {answer.model for answer in answers}
