"""python -m app.keys: a key is printed once, and can be listed and revoked."""

from pathlib import Path

import pytest

from app import settings
from app.keys.__main__ import main
from app.keys.key import TOKEN

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "router.db"
    monkeypatch.setattr(settings, "environment", lambda: {"DATABASE_URL": f"sqlite:///{file}"})
    return file


def test_the_life_of_a_key(capsys: Capture, database: Path) -> None:
    assert main(["create", "--tenant", "acme", "--tier", "pro", "--name", "web shop", "--expires", "90d"]) == 0
    made = capsys.readouterr()
    match = TOKEN.fullmatch(made.out.strip())
    assert match is not None
    id_, secret = match[1], made.out.strip().rpartition("-")[2]
    assert "it is not shown again" in made.err
    assert secret not in made.err
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(word in listed for word in (id_, "web shop", "acme", "pro", "no", "good"))
    assert secret not in listed
    assert secret.encode() not in b"".join(file.read_bytes() for file in database.parent.iterdir())
    assert main(["revoke", id_]) == 0
    assert f"key {id_} was revoked on" in capsys.readouterr().out
    assert main(["list"]) == 0
    assert "was revoked on" in capsys.readouterr().out


def test_an_unknown_id(capsys: Capture) -> None:
    assert main(["revoke", "nope"]) == 1
    assert "there is no key nope; `python -m app.keys list` shows the ids" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tenant", "a b", "--tier", "pro"], "'a b': has to be 1 to 64 letters"),
        (["--tenant", "acme", "--tier", "gold"], "--tier"),
        (["--tenant", "acme", "--tier", "pro", "--expires", "soon"], "'soon' is no time span"),
        (["--tenant", "acme", "--tier", "pro", "--name", "a\nb"], "printable"),
        (["--tenant", "acme"], "--tier"),
    ],
)
def test_wrong_arguments(capsys: Capture, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit):
        main(["create", *arguments])
    assert words in capsys.readouterr().err
