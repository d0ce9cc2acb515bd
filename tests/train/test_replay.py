"""Replay by its command line, on files of outcomes and on stored requests; and what it refuses."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.paths import project_path
from app.yaml_file import load_yaml
from tests.fakes.artifact import make_artifact
from tests.train.test_recorded import record
from tests.train.test_replay_logs import TURNED, call
from train.replay import main
from train.replayed.policy_file import read_policy

SERVE_CONFIG = project_path("serve_config.yaml")
SCORES = {"small": 0.6, "large": 0.9}  # what the classifier says, near enough
PRICES = {"small": 1e-6, "large": 2e-5}  # USD for a token


def outcomes(path: Path, models: tuple[str, ...] = ("small", "large"), rows: int = 40, **changes: Any) -> Path:
    """Of every fourth query "small" knows the answer, "large" of all."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            found = {
                model: {
                    "score": float(model == "large" or number % 4 == 0),
                    "cost_usd": PRICES.get(model, 1e-5) * (30 + number + 50),
                    "in_tokens": 30 + number,
                    "out_tokens": 50,
                    **changes,
                }
                for model in models
            }
            domain = "math" if number % 2 else "coding"
            query = f"What is {number} and {number * number}?"
            file.write(json.dumps({"query": query, "domain": domain, "outcomes": found}) + "\n")
    return path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("replay") / "classifier", SCORES, tokens=50)


def weights_file(path: Path, version: str = "mine", **tier: float) -> Path:
    """The project's policy with the same weights for all tiers."""
    _, given = read_policy(SERVE_CONFIG)
    weights = {"quality": 0.0, "cost": 0.0, "latency": 0.0, "hint": 0.0, **tier}
    content = {**given, "version": version, "weights": dict.fromkeys(("free", "pro", "enterprise"), weights)}
    path.write_text(json.dumps({**content, "exploration": {"share": 0.0, "margin": 0.0}}))
    return path


def test_full_outcomes_are_replayed_exactly(tmp_path: Path, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = outcomes(tmp_path / "outcomes.jsonl")
    good = weights_file(tmp_path / "good.json", quality=1.0)
    cheap = weights_file(tmp_path / "cheap.json", "cheap", cost=1.0)
    given = ["--replay", data, "--artifact", artifact, "--policy", good, "--against", cheap, "--json", tmp_path / "f"]
    assert main([str(one) for one in given]) == 0
    shown = capsys.readouterr().out
    assert "policy mine against cheap" in shown
    assert "candidate minus live" in shown
    content = json.loads((tmp_path / "f").read_text())
    assert content["exact"] is True
    assert [section["tier"] or section["domain"] for section in content["sections"]] == [
        *(None, "free", "pro", "enterprise", "coding", "math")
    ]
    everything, coding = content["sections"][0], content["sections"][4]
    assert everything["candidate"]["exact"]["quality"]["value"] == 1.0
    assert everything["live"]["exact"]["quality"]["value"] == 0.25
    assert everything["change"]["exact"]["quality"]["value"] == 0.75
    assert everything["change"]["exact"]["cost_saved"]["value"] == pytest.approx(1 - 20)
    low, high = (everything["change"]["exact"]["quality"][name] for name in ("low", "high"))
    assert 0.5 < low < 0.75 < high < 1
    assert coding["queries"] == 20
    assert coding["live"]["exact"]["quality"]["value"] == 0.5
    assert everything["candidate"]["exact"]["latency_ms"]["value"] is None


def test_a_catalogue_names_the_models_and_their_tiers(
    tmp_path: Path, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = outcomes(tmp_path / "outcomes.jsonl")
    file: Any = load_yaml(project_path("configs/models.yaml"))
    for spec, name in zip(file["models"], ("small", "unseen", "large"), strict=False):
        spec["id"] = name
    file["models"] = file["models"][:3]  # the third is not for the free tier
    catalogue = tmp_path / "models.json"
    catalogue.write_text(json.dumps(file))
    good = weights_file(tmp_path / "good.json", quality=1.0)
    given = ["--replay", data, "--artifact", artifact, "--policy", good, "--catalogue", catalogue]
    assert main([str(one) for one in [*given, "--json", tmp_path / "f"]]) == 0
    assert "of the catalogue, not in the replay files: unseen" in capsys.readouterr().out
    sections = {section["tier"]: section for section in json.loads((tmp_path / "f").read_text())["sections"]}
    quality = {tier: sections[tier]["candidate"]["exact"]["quality"]["value"] for tier in ("free", "pro")}
    assert quality == {"free": 0.25, "pro": 1.0}
    assert sections["pro"]["candidate"]["exact"]["latency_ms"]["value"] is None  # what it took is not known
    main([str(one) for one in [*given[:-1], project_path("configs/models.yaml")]])
    assert "the catalogue has llama, gpt-6-luna" in capsys.readouterr().err


def test_stored_requests_are_estimated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/router.db"
    now = {"created_at": datetime.now(UTC)}
    strong = {"candidates": TURNED, "propensity": 0.5, **now}
    calls = [call(f"s{at}", 1 + at % 5, {"propensity": 0.5, **now}, **now) for at in range(20)]
    calls += [call(f"t{at}", 5, strong, model="strong", cost_usd=1.0, **now) for at in range(20)]
    record(url, calls)
    assert main(["--since", "1d", "--database", url, "--json", str(tmp_path / "f")]) == 0
    assert "warning: all: the mean weight is 2.00 where it should be 1" in capsys.readouterr().out
    content = json.loads((tmp_path / "f").read_text())
    assert content["exact"] is False
    assert set(content["sections"][0]["candidate"]) == {"ips", "snips", "doubly_robust"}
    assert content["sections"][0]["overlap"]["rated"] == 40


def failing(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error[error.index("error: ") :]


def test_bad_input_is_named(tmp_path: Path, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, strange = outcomes(tmp_path / "o.jsonl"), outcomes(tmp_path / "s.jsonl", ("other", "another"))
    _, good = read_policy(SERVE_CONFIG)

    def policy(**changes: Any) -> Path:
        path = tmp_path / f"policy{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps({**good, **changes}))
        return path

    def pro(**changes: Any) -> dict[str, Any]:
        return {"weights": {**good["weights"], "pro": {**good["weights"]["pro"], **changes}}}

    empty = tmp_path / "empty.jsonl"
    empty.touch()
    broken = outcomes(tmp_path / "broken.jsonl", score=float("nan"))
    files = ("--replay", data, "--artifact", artifact)
    for arguments, message in (
        ((*files, "--policy", policy(**pro(cost=float("nan")))), "weights.pro.cost: Input should be"),
        (
            (*files, "--policy", policy(**pro(cost=-0.1))),
            "weights.pro.cost: Input should be greater than or equal to 0",
        ),
        ((*files, "--policy", policy(**pro(quality=0, cost=0, latency=0))), "weights.pro: Value error, quality, cost"),
        ((*files, "--policy", policy(weights={"pro": good["weights"]["pro"]})), "missing for enterprise, free"),
        ((*files, "--policy", tmp_path / "none.json"), "none.json: cannot be read"),
        ((*files, "--policy", artifact / "manifest.json"), "format: unknown key"),
        (("--replay", strange, "--artifact", artifact), "the files have another, other, the classifier knows small"),
        (
            (*files, "--models", "small,other"),
            "the replay files have no outcome of other; models that both have: small",
        ),
        ((*files, "--models", "small"), "a choice takes two models; 1 of those"),
        (("--replay", empty, "--artifact", artifact), "empty.jsonl: is empty"),
        (("--replay", broken, "--artifact", artifact), "score not a number from 0 to 1"),
        (("--replay", data, "--artifact", tmp_path), "manifest.json: cannot be read"),
        (("--since", "7d", "--database", f"sqlite:///{tmp_path}/new.db"), "nothing to replay"),
    ):
        assert message in failing(capsys, *arguments)
