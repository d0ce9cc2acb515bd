"""Prometheus's own checker, where it is installed."""

import os
import shutil

import pytest


def promtool() -> str:
    """The path of promtool. Skips the test without it."""
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: apt-get install prometheus, or set PROMTOOL to its path")
    return found
