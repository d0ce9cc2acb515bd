"""The OpenAPI document of a running router, and whether the router keeps to it.

schemathesis asks what the document allows, and what it does not: seeded, for as long as FUZZ_SECONDS says.
"""

import os
from collections.abc import Iterator

import orjson
import pytest
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.specs.openapi.checks import RejectedPositiveData

from tests.cluster.production import Production

pytestmark = pytest.mark.cluster

SECONDS = int(os.environ.get("FUZZ_SECONDS", "15"))
# What is good by its form may still be refused for what it asks.
REFUSED = ("no_eligible_model", "context_length_exceeded", "model_not_found")
NOTHING_ASKED = "no user message with text"


def test_the_router_keeps_to_its_document(production: Production) -> None:
    asked, failures = explore(production.url, production.keys["admin"])
    if failures:
        pytest.fail("\n\n".join(failures.values()), pytrace=False)
    assert asked > 200


def explore(url: str, key: str) -> tuple[int, dict[str, str]]:
    """How many requests were sent, and an example of each failure by operation and kind."""
    auth = {"openapi": {"bearer": {"bearer": key}}}
    config = SchemathesisConfig.from_dict({"seed": 1, "max-time": SECONDS, "auth": auth})
    headers = {"authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config, headers=headers)
    schema.hook("filter_failure")(filter_failure)
    asked, failures = 0, dict[str, str]()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures[repr(event)] = repr(event)
        if isinstance(event, events.ScenarioFinished):
            asked += len(event.recorder.interactions)
            failures = dict(_failures(event)) | failures
    return asked, failures


def filter_failure(_context: HookContext, failure: Failure, _case: Case, response: Response) -> bool:
    """Whether schemathesis is right that this is one."""
    if isinstance(failure, RejectedPositiveData):
        error = orjson.loads(response.content)["error"]
        return error["code"] not in REFUSED and not error["message"].startswith(NOTHING_ASKED)
    return True


def _failures(event: events.ScenarioFinished) -> Iterator[tuple[str, str]]:
    for id_, checks in event.recorder.checks.items():
        response = event.recorder.interactions[id_].response if id_ in event.recorder.interactions else None
        for info in (check.failure_info for check in checks if check.failure_info):
            name = f"{event.recorder.label}: {info.failure.title}"
            answer = response and (response.status_code, response.headers, response.content[:500])
            yield name, f"{name}: {info.failure.message}\n{info.code_sample}\n{answer}"
