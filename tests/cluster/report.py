"""What the tests of faults saw, as the table that the README has: `make faults` prints it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.burst import Burst
from tests.cluster.load import Load
from tests.servers.process import wait_until

SECONDS = float(os.environ.get("FAULT_SECONDS", "0"))  # each fault lasts so long at least
RECOVERED_WITHIN_S = 300.0
HEADER = ("fault", "sent", "answered", "answers lost", "streams cut", "wrong answers", "time to recover")


@dataclass(frozen=True)
class Row:
    """`lost` are requests without a right answer, `cut` streams that had begun and ended in an error event."""

    fault: str
    sent: int
    answered: int
    lost: int
    cut: int
    wrong: int
    recovered_s: float | None

    def cells(self) -> tuple[str, ...]:
        recovered = "-" if self.recovered_s is None else f"{self.recovered_s:.1f} s"
        return self.fault, *map(str, (self.sent, self.answered, self.lost, self.cut, self.wrong)), recovered


_rows: list[Row] = []


def record(fault: str, loaded: Load, recovered_s: float | None) -> None:
    """After the end of the load."""
    answered, failed, lost = len(loaded.answers), len(loaded.failures), len(loaded.lost)
    _rows.append(Row(fault, answered + failed, answered, lost, failed - lost, len(loaded.wrong()), recovered_s))


def record_burst(fault: str, burst: Burst) -> None:
    """What was turned away as it should be is no lost answer."""
    answered, refused = burst.statuses["200"], burst.statuses["429"]
    lost = burst.sent - answered - refused
    _rows.append(Row(f"{fault} (429: {refused})", burst.sent, answered, lost, 0, 0, None))


def table() -> str:
    """Empty when nothing was recorded."""
    lines = [HEADER, tuple("---" for _ in HEADER), *(row.cells() for row in _rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if _rows else ""


def last_for_a_while() -> None:
    """Lets a fault last for FAULT_SECONDS."""
    time.sleep(SECONDS)


def time_until(works: Callable[[], object], what: str, since: float | None = None) -> float:
    """Seconds from `since` (by time.monotonic), or from now, until `works`."""
    began = time.monotonic() if since is None else since
    wait_until(works, RECOVERED_WITHIN_S, what)
    return time.monotonic() - began
