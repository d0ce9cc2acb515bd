"""What a program and all its children take of the machine."""

from collections import defaultdict
from pathlib import Path

import psutil


def family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """User and system time of those that live; what ended in between is not in it."""
    total = 0.0
    for process in family(pid):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.Error:
            continue
    return total


def memory_mb(pid: int) -> dict[str, float]:
    """MiB by name. Proportional set size, so that shared pages are counted once over all processes."""
    sizes: dict[str, float] = defaultdict(float)
    for process in family(pid):
        try:
            sizes[_name(process.cmdline())] += process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _name(command: list[str]) -> str:
    first = command[0] if command else "?"
    if "python" in Path(first).name and len(command) > 1:
        return next((Path(part).name for part in command[1:] if part.endswith(".py") or "serve" in part), "python")
    return first if first.startswith(("ray::", "VLLM::")) else Path(first).name
