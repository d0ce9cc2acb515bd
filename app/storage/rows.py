"""Records to rows and back. A row is a dict by column name."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar

from app.storage.histogram import bucket
from app.storage.records import DecisionRecord, Feedback, OutcomeRecord

Row = dict[str, Any]
Record = TypeVar("Record", bound=DecisionRecord | OutcomeRecord)
KEY = ("tenant", "request_id")
ANSWER = ("answer_text", "answer_hash")
KIND = ("model", "tier", "domain", "error", "cache", "cost_known")


def rows_of(decisions: Sequence[DecisionRecord], outcomes: Sequence[OutcomeRecord]) -> dict[str, list[Row]]:
    """By table. An answer of which neither text nor hash is kept has no row."""
    return {
        "outcome_kind": _kinds(outcomes),
        "decision": [_row(record) for record in decisions],
        "outcome": [_outcome(record) for record in outcomes],
        "answer": [{name: getattr(record, name) for name in (*KEY, *ANSWER)} for record in outcomes if _kept(record)],
    }


def cleaned(record: Record) -> Record:
    """The same with every text as any database takes it."""
    return type(record)(**_clean({name: getattr(record, name) for name in record.__slots__}))


def _kept(record: OutcomeRecord) -> bool:
    return record.answer_text is not None or record.answer_hash is not None


def _outcome(record: OutcomeRecord) -> Row:
    row = _row(record)
    for name in ANSWER:
        del row[name]
    row["kind"] = _kind_id(*_kind(record))
    row["latency_bucket"] = bucket(record.latency_ms)
    return row


def _kinds(outcomes: Sequence[OutcomeRecord]) -> list[Row]:
    """The combinations that statistics group by, in the order of their ids: everybody locks them in the same one."""
    found = {_kind_id(*kind): kind for kind in map(_kind, outcomes)}
    return [{"id": id_, **dict(zip(KIND, found[id_], strict=True))} for id_ in sorted(found)]


def _kind(record: OutcomeRecord) -> tuple[str | bool | None, ...]:
    known = record.cost_usd is not None
    return record.model, str(record.tier), str(record.domain), record.error, record.cache, known


@lru_cache(maxsize=10_000)
def _kind_id(*kind: str | bool | None) -> int:
    """A number that every process computes alike."""
    return int.from_bytes(blake2b(repr(kind).encode(), digest_size=8).digest(), signed=True)


def feedback_row(tenant: str, feedback: Feedback) -> Row:
    """Without what repeats the request's own columns."""
    comment = None if feedback.comment is None else clean(feedback.comment)
    return {
        "tenant": clean(tenant),
        "request_id": clean(feedback.request_id),
        "rating": feedback.rating,
        "comment": comment,
        "created_at": feedback.created_at,
    }


def decision_record(row: Mapping[str, Any]) -> DecisionRecord:
    return DecisionRecord(**{name: row[name] for name in DecisionRecord.__slots__})


def outcome_record(row: Mapping[str, Any]) -> OutcomeRecord:
    """`row` holds the columns of the answer as well."""
    return OutcomeRecord(**{name: row[name] for name in OutcomeRecord.__slots__})


def feedback_record(row: Mapping[str, Any]) -> Feedback:
    return Feedback(**{name: row[name] for name in Feedback.__slots__})


def clean(text: str) -> str:
    """No database takes half a surrogate pair, and PostgreSQL takes no NUL: both are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clean(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def _row(record: DecisionRecord | OutcomeRecord) -> Row:
    return {name: getattr(record, name) for name in record.__slots__}
