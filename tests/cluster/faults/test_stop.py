"""The router is stopped while streams are under way. The last test of this folder: it ends the router."""

import signal
import sqlite3
from contextlib import closing

import pytest

from tests.cluster.faults.conftest import Faulty
from tests.cluster.faults.test_rollout import LONG_STREAMS, long_streams
from tests.cluster.load import load
from tests.fakes.echo import split
from tests.servers.process import STOP_S

pytestmark = pytest.mark.cluster


def test_streams_end_and_everything_is_stored_when_the_router_stops(faulty: Faulty) -> None:
    with load([faulty.router.url], model="auto") as loaded:
        loaded.wait_for(50, "before")
    with long_streams(faulty, 1.0) as streams:
        faulty.router.process.send_signal(signal.SIGTERM)
    texts = [stream.result() for stream in streams]
    faulty.router.process.wait(STOP_S)
    assert [split(text)[0] for text in texts] == [f"Stream line {number}" for number in range(LONG_STREAMS)]
    folder = faulty.router.log.parent
    with closing(sqlite3.connect(folder / "router.db")) as database:
        asked = "SELECT count(*) FROM outcome JOIN answer USING (tenant, request_id) WHERE answer_text LIKE ?"
        ended = [database.execute(asked, [f"{text}%"]).fetchone()[0] for text in texts]
        known = {id_ for (id_,) in database.execute("SELECT request_id FROM outcome WHERE error IS NULL")}
    assert ended == [1] * LONG_STREAMS
    assert {answer.id for answer in loaded.answers} <= known
    assert not [file for file in (folder / "spool").rglob("*") if file.is_file() and file.stat().st_size]
