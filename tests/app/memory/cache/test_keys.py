from typing import Any

import pytest

from app.completion import Prompt
from app.domain import Tier
from app.memory.cache.keys import CacheKey, SemanticQuery, cacheable, exact_key, semantic_query

ASK = [{"role": "user", "content": "What is the capital of France?"}]


def key(messages: list[dict[str, Any]] = ASK, parameters: dict[str, Any] | None = None, **changes: Any) -> CacheKey:
    given: dict[str, Any] = {"model": "auto", "tier": Tier.FREE, "tenant": "acme", **changes}
    found = exact_key(Prompt(messages, parameters or {}), **given)
    assert found is not None
    return found


def query(messages: list[dict[str, Any]] = ASK, **changes: Any) -> SemanticQuery | None:
    parameters = changes.pop("parameters", {})
    given: dict[str, Any] = {"model": "auto", "tier": Tier.FREE, "tenant": "acme", "user": "u", "max_characters": 200}
    return semantic_query(Prompt(messages, parameters), **(given | changes))


def test_order_of_keys_and_what_only_names_the_caller_do_not_matter() -> None:
    one = key(parameters={"temperature": 0, "seed": 1, "user": "ann", "stream": True, "metadata": {"a": 1}})
    two = key([{"content": ASK[0]["content"], "role": "user"}], {"seed": 1, "temperature": 0, "user": "bob"})

    assert one == two


def test_a_parameter_left_out_is_its_null_or_its_default() -> None:
    assert key() == key(parameters={"stop": None, "n": 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"role": "user", "content": "What is the capital of France? "}]},
        {"messages": [{"role": "system", "content": "Be brief."}, *ASK]},
        {"parameters": {"temperature": 0.5}},
        {"parameters": {"max_tokens": 5}},
        {"parameters": {"some_new_parameter": True}},
        {"model": "strong"},
        {"tier": Tier.PRO},
        {"tenant": "other"},
    ],
)
def test_what_shapes_the_answer_or_may_not_be_shared_makes_another_key(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


@pytest.mark.parametrize(
    "parameters", [{"n": 2}, {"cache": False}, {"web_search_options": {"a": 1}}, {"audio": {"voice": "alloy"}}]
)
def test_what_asks_for_a_fresh_answer_is_not_cached(parameters: dict[str, Any]) -> None:
    assert not cacheable(Prompt(ASK, parameters))
    assert exact_key(Prompt(ASK, parameters), model="auto", tier=Tier.FREE, tenant="acme") is None
    assert query(parameters=parameters) is None


def test_what_is_no_json_has_no_key() -> None:
    broken = [{"role": "user", "content": "\ud800"}]

    assert exact_key(Prompt(broken), model="auto", tier=Tier.FREE, tenant="acme") is None
    assert exact_key(Prompt(ASK, {"seed": 2**70}), model="auto", tier=Tier.FREE, tenant="acme") is None


def test_a_query_of_one_turn_is_compared_within_its_scope() -> None:
    first = query()
    second = query([{"role": "user", "content": [{"type": "text", "text": "Capital of France"}]}])

    assert first is not None
    assert second is not None
    assert first.scope == second.scope
    assert second.text == "Capital of France"


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, *ASK]},
        {"parameters": {"temperature": 0.5}},
        {"model": "strong"},
        {"tier": Tier.PRO},
        {"tenant": "other"},
        {"user": "other"},
        {"user": None},
    ],
)
def test_whatever_else_differs_makes_another_scope(changes: dict[str, Any]) -> None:
    first, second = query(), query(**changes)

    assert first is not None
    assert second is not None
    assert first.scope != second.scope


@pytest.mark.parametrize(
    "messages",
    [
        [*ASK, {"role": "assistant", "content": "Paris"}, {"role": "user", "content": "And of Spain?"}],
        [*ASK, {"role": "assistant", "content": "Par"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": "x" * 201}],
    ],
)
def test_what_is_not_one_short_turn_of_text_is_left_to_the_exact_cache(messages: list[dict[str, Any]]) -> None:
    assert query(messages) is None


def test_tools_are_left_to_the_exact_cache() -> None:
    assert query(parameters={"tools": [{"type": "function"}]}) is None
