import argparse
import sys
from datetime import timedelta

import pytest

from app.settings import Settings
from app.storage import export


def test_time_spans() -> None:
    assert [export.age(text) for text in ("90m", "24h", "7d")] == [timedelta(hours=1.5), timedelta(1), timedelta(7)]


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1y", "99999w"])
def test_no_time_spans(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write for example 24h"):
        export.age(text)


def test_a_wrong_database_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "read_settings", lambda: Settings(database_url="mysql://u:secret@host/db"))
    monkeypatch.setattr(sys, "argv", ["export"])
    with pytest.raises(SystemExit, match="error: DATABASE_URL: 'mysql' is not a database known here"):
        export.main()
