"""python -m tests.app.storage.writing_process URL SPOOL PREFIX COUNT: records requests, prints each id once durable."""

import asyncio
import sys
from pathlib import Path

from app.storage.database import open_database
from app.storage.recorder import Recorder
from app.storage.repository import Repository
from app.storage.spool import Spool
from tests.app.storage.samples import decision, outcome


async def main(url: str, spool: Path, prefix: str, count: int) -> None:
    database = open_database(url)
    recorder = Recorder(Repository(database), Spool(spool, 100), commit_timeout_s=30.0)
    await recorder.start()

    async def client(number: int) -> None:
        for i in range(number, count, 10):
            await recorder.decided(decision(f"{prefix}{i}"))
            print(f"{prefix}{i}", flush=True)
            recorder.finished(outcome(f"{prefix}{i}"))

    await asyncio.gather(*map(client, range(10)))
    await recorder.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
