import pytest

from app.models.sse import EventDecoder

STREAM = b": hello\r\n\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: 2\n\nid: 7\n\ndata: thr\xc3\xa9e\r\rdata: last"
EVENTS = [b"one", b"two\n2", b"thr\xc3\xa9e", b"last"]


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_events_are_the_same_however_the_stream_is_cut(size: int) -> None:
    decoder = EventDecoder()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    events = [event for piece in pieces for event in decoder.feed(piece)]
    assert events + decoder.finish() == EVENTS


def test_an_event_is_given_as_soon_as_it_is_whole() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"\n") == [b"one"]
    assert decoder.feed(b"data: two\r\n\r") == [b"two"]
    assert decoder.feed(b"\ndata: three\n\n") == [b"three"]
    assert decoder.finish() == []
