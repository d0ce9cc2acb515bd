"""Log lines: both formats, buffered, flushed at once when it matters, and without text of prompts."""

import io
import logging
import time

import orjson
import pytest

from app.observability.logging import NAMES, BufferedHandler, JsonFormatter, TextFormatter, configure
from app.settings import read_settings
from tests.fakes.router import FakeRouter, running_router


def logger_to(stream: io.StringIO, formatter: logging.Formatter) -> logging.Logger:
    logger = logging.Logger("test")
    handler = BufferedHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return logger


def test_an_event_is_one_json_object_a_line() -> None:
    stream = io.StringIO()
    logger_to(stream, JsonFormatter()).warning("failure", extra={"fields": {"model": "m", "latency_ms": 1.5}})
    line = orjson.loads(stream.getvalue())
    assert (line["event"], line["level"], line["model"], line["latency_ms"]) == ("failure", "WARNING", "m", 1.5)
    assert line["timestamp"].endswith("+00:00")


def test_text_leaves_out_empty_fields() -> None:
    stream = io.StringIO()
    logger_to(stream, TextFormatter()).warning(
        "failure", extra={"fields": {"model": "m", "rule": None, "fallbacks": []}}
    )
    assert stream.getvalue()[9:] == "WARNING failure model=m\n"


def test_lines_gather_until_the_flush_and_a_warning_takes_them_along() -> None:
    stream = io.StringIO()
    logger = logger_to(stream, TextFormatter())
    logger.info("one")
    assert stream.getvalue() == ""
    logger.warning("two")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["one", "two"]
    logger.info("three")
    deadline = time.monotonic() + 5
    while "three" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stream.getvalue().endswith("three\n")


def test_an_exception_is_told_with_its_trace() -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        stream = io.StringIO()
        try:
            raise RuntimeError("inside")
        except RuntimeError:
            logger_to(stream, formatter).exception("broken")
        assert "RuntimeError: inside" in stream.getvalue()


@pytest.mark.parametrize(("app_env", "kind"), [("production", JsonFormatter), ("development", TextFormatter)])
def test_the_environment_chooses_the_format(app_env: str, kind: type[logging.Formatter]) -> None:
    before = {name: logging.getLogger(name).handlers for name in NAMES}
    try:
        configure(read_settings({"APP_ENV": app_env, "LOG_LEVEL": "WARNING"}))
        logger = logging.getLogger("llm_router")
        assert isinstance(logger.handlers[0].formatter, kind)
        assert logger.level == logging.WARNING
    finally:
        for name, handlers in before.items():
            logging.getLogger(name).handlers = handlers
            logging.getLogger(name).setLevel(logging.NOTSET)
            logging.getLogger(name).propagate = True


async def test_a_request_leaves_a_decision_and_a_completion_and_no_prompt(
    tokenizer: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "llm_router.events")
    async with running_router(tokenizer) as router:  # type: ignore[arg-type]
        await ask(router, "hello")
        await ask(router, "Tell me about zebra-crossing-4711")
    assert [record.message for record in caplog.records if record.name == "llm_router.events"] == [
        "decision",
        "completion",
    ] * 2
    fields = [record.__dict__["fields"] for record in caplog.records if record.name == "llm_router.events"]
    assert {"model", "cause", "confidence", "complexity", "latency_ms"} <= fields[0].keys()
    assert {"model", "input_tokens", "output_tokens", "cost_usd", "latency_ms"} <= fields[1].keys()
    assert not any("client_request_id" in event for event in fields)
    assert "zebra" not in str(fields)
    assert "zebra" not in caplog.text


async def test_only_the_decision_tells_the_clients_id(tokenizer: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "llm_router.events")
    async with running_router(tokenizer) as router:  # type: ignore[arg-type]
        own = await ask(router, "hello", {"x-request-id": "theirs"})
    fields = [record.__dict__["fields"] for record in caplog.records if record.name == "llm_router.events"]
    assert [event["request_id"] for event in fields] == [own, own]
    assert [event.get("client_request_id") for event in fields] == ["theirs", None]


async def ask(router: FakeRouter, query: str, headers: dict[str, str] | None = None) -> str:
    response = await router.http.post("/api/v1/chat", json={"query": query, "user_id": "u"}, headers=headers)
    assert response.status_code == 200
    return response.headers["x-llm-router-request-id"]
