"""The Chroma server goes away and comes back: decisions go on without the memory."""

import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.load import load
from tests.cluster.report import last_for_a_while, record, time_until
from tests.servers.process import wait_until

pytestmark = pytest.mark.cluster


def test_chroma_is_stopped_and_started_again(faulty: Faulty) -> None:
    with load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(20, "before")
        faulty.chroma.stop()
        try:
            wait_until(lambda: faulty.decision()["skipped"].keys() == {"memory"}, 30, "decisions without memory")
            degraded = faulty.decision()["cause"]
            loaded.wait_for(50, "without Chroma")
            state = faulty.router.services()["memory"]["state"]
            last_for_a_while()
        finally:
            faulty.chroma.start()
        recovered_s = time_until(faulty.whole, "decisions with memory")
        loaded.wait_for(20, "after")
    record("Chroma stopped and started again", loaded, recovered_s)
    assert loaded.failures == []
    loaded.check()
    assert degraded == "degraded"
    assert state != "ok"
