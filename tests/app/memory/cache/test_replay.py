from typing import Any

import orjson

from app.completion import Chunk, Usage
from app.memory.cache.assemble import Assembler
from app.memory.cache.entry import CachedAnswer
from app.memory.cache.replay import PIECE_CHARACTERS, replay
from tests.app.memory.cache.answers import body
from tests.fakes.upstream import chat_chunk

CALLS = [
    {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
    {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]


async def replayed(data: bytes, *, usage_wanted: bool = True) -> list[Chunk]:
    answer = CachedAnswer("medium", Usage(5, 2), data, 0.1, 1.0)
    return [chunk async for chunk in replay(answer, usage_wanted=usage_wanted)]


def assembled(chunks: list[Chunk]) -> dict[str, Any]:
    assembler = Assembler(max_bytes=10**7)
    for chunk in chunks:
        assembler.add(chunk)
    completion = assembler.completion()
    assert completion is not None
    whole: dict[str, Any] = orjson.loads(completion.body)
    return whole


async def test_a_stream_has_role_pieces_finish_reason_and_usage() -> None:
    text = "word " * PIECE_CHARACTERS
    chunks = await replayed(body(text))
    choices = [orjson.loads(chunk.data)["choices"] for chunk in chunks]

    assert choices[0][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(chunks) == 5 + 3
    assert "".join(chunk.text for chunk in chunks) == text
    assert choices[-2][0]["finish_reason"] == "stop"
    assert choices[-1] == []
    assert orjson.loads(chunks[-1].data)["usage"]["total_tokens"] == 7
    assert chunks[-1].usage == Usage(5, 2)
    assert {orjson.loads(chunk.data)["id"] for chunk in chunks} == {"chatcmpl-1"}
    assert {orjson.loads(chunk.data)["object"] for chunk in chunks} == {"chat.completion.chunk"}


async def test_usage_that_nobody_asked_for_has_no_data() -> None:
    chunks = await replayed(body(), usage_wanted=False)

    assert chunks[-1] == Chunk(data=b"", usage=Usage(5, 2))


async def test_a_replayed_stream_assembles_to_the_answer_it_came_from() -> None:
    for data in (
        body("x" * 1000),
        body("NUL \0 🙂\n"),
        body(None, "tool_calls", tool_calls=CALLS),
        body("Paris", reasoning_content="Think."),
    ):
        whole = assembled(await replayed(data))

        expected = orjson.loads(data)
        expected["choices"][0]["message"]["content"] = expected["choices"][0]["message"]["content"] or ""
        expected["usage"]["prompt_tokens_details"] = {"cached_tokens": 0}
        assert whole == expected


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    def piece(index: int, **function: str) -> Chunk:
        call = {"index": index, "function": function, **({"id": str(index)} if "name" in function else {})}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        return Chunk(orjson.dumps({"id": "c", "choices": [choice]}))

    pieces = [
        piece(0, name="f", arguments=""),
        piece(0, arguments='{"a"'),
        piece(0, arguments=": 1}"),
        piece(1, name="g"),
    ]

    whole = assembled(pieces)

    calls = whole["choices"][0]["message"]["tool_calls"]
    assert [call["function"] for call in calls] == [
        {"name": "f", "arguments": '{"a": 1}'},
        {"name": "g", "arguments": ""},
    ]
    assert [call["id"] for call in calls] == ["0", "1"]


def test_a_stream_over_the_limit_is_given_up() -> None:
    assembler = Assembler(max_bytes=100)
    for _ in range(10):
        assembler.add(Chunk(orjson.dumps(chat_chunk("word"))))

    assert assembler.completion() is None


def test_an_empty_stream_is_no_answer() -> None:
    assert Assembler(max_bytes=100).completion() is None


def test_text_in_parts_is_not_assembled() -> None:
    assembler = Assembler(max_bytes=10**7)
    for content in ([{"type": "thinking", "thinking": []}], "Paris"):
        assembler.add(Chunk(data=orjson.dumps({"choices": [{"index": 0, "delta": {"content": content}}]})))
    assert assembler.completion() is None
