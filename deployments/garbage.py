"""How often Python looks for garbage that refers to itself."""

import gc

YOUNG = 20_000  # objects more than at the last look; Python's own 700 are those of two requests


def collect_less() -> None:
    """A request leaves next to nothing that only a look finds, and Python's own pace takes a tenth of its time."""
    gc.set_threshold(YOUNG, 10, 10)
