"""The tables. A request is known by tenant and request id, which is ours: a caller's own may come more than once.

Texts of answers have a table of their own, so that statistics read `outcome` alone, and it is narrow.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, SmallInteger, Table, Text, text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel


class UtcTime(TypeDecorator[datetime]):
    """An aware time: TIMESTAMPTZ in PostgreSQL, microseconds since 1970 in SQLite, which has no type for it."""

    impl = DateTime
    cache_ok = True
    epoch = datetime.fromtimestamp(0, UTC)
    unit = timedelta(microseconds=1)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return self.microseconds(value) if value is not None and dialect.name == "sqlite" else value

    def microseconds(self, time: datetime) -> int:
        return (time - self.epoch) // self.unit

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        time: datetime = self.epoch + value * self.unit if dialect.name == "sqlite" else value.astimezone(UTC)
        return time


class DecisionRow(SQLModel, table=True):
    __tablename__: ClassVar[str] = "decision"
    __table_args__ = (
        Index("decision_by_user", "tenant", "user_id"),
        Index("decision_by_age", "created_at"),
        Index(
            "decision_by_client_request",
            "tenant",
            "client_request_id",
            "created_at",
            sqlite_where=text("client_request_id IS NOT NULL"),
            postgresql_where=text("client_request_id IS NOT NULL"),
        ),
    )

    tenant: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcTime)
    user_id: str
    tier: str
    endpoint: str
    model_requested: str
    domain: str
    language: str | None
    complexity: float | None
    features: dict[str, Any] = Field(sa_type=JSON)
    cause: str
    rule: str | None
    confidence: float
    candidates: list[dict[str, Any]] = Field(sa_type=JSON)
    rejected: dict[str, str] = Field(sa_type=JSON)
    skipped: dict[str, str] = Field(sa_type=JSON)
    propensity: float
    weights_version: str
    classifier_version: str | None
    query_text: str | None = Field(sa_type=Text)
    query_hash: str | None
    client_request_id: str | None


class OutcomeRow(SQLModel, table=True):
    __tablename__: ClassVar[str] = "outcome"
    __table_args__ = (Index("outcome_by_age", "created_at"),)

    tenant: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcTime)
    tier: str
    domain: str
    model: str | None
    error: str | None
    cache: str | None
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_usd: float | None
    latency_ms: float
    overhead_ms: float
    first_token_ms: float | None
    cache_similarity: float | None
    endpoint: str
    fallbacks: list[str] = Field(sa_type=JSON)
    stages_ms: dict[str, float] = Field(sa_type=JSON)
    finished_at: datetime = Field(sa_type=UtcTime)
    kind: int = Field(sa_type=BigInteger)
    latency_bucket: int = Field(sa_type=SmallInteger)


class OutcomeKindRow(SQLModel, table=True):
    """What outcomes are grouped by: a row for each combination that has occurred. `id` is a hash of the others.

    Databases group a million rows by one number in a third of the time that they need for five texts.
    """

    __tablename__: ClassVar[str] = "outcome_kind"

    id: int = Field(primary_key=True, sa_type=BigInteger)
    model: str | None
    tier: str
    domain: str
    error: str | None
    cache: str | None
    cost_known: bool


class AnswerRow(SQLModel, table=True):
    __tablename__: ClassVar[str] = "answer"

    tenant: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    answer_text: str | None = Field(sa_type=Text)
    answer_hash: str | None


class FeedbackRow(SQLModel, table=True):
    """`kind` repeats the outcome's, and is null when the rating came before the outcome was stored."""

    __tablename__: ClassVar[str] = "feedback"
    __table_args__ = (Index("feedback_by_age", "requested_at"),)

    tenant: str = Field(primary_key=True)
    request_id: str = Field(primary_key=True)
    rating: int = Field(sa_type=SmallInteger)
    comment: str | None = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcTime)
    requested_at: datetime = Field(sa_type=UtcTime)
    kind: int | None = Field(sa_type=BigInteger)


class ReleaseRow(SQLModel, table=True):
    """`content` is a user_config. `settled_at` is null while it is being published."""

    __tablename__: ClassVar[str] = "release"

    part: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    version: str
    state: str
    content: dict[str, Any] = Field(sa_type=JSON)
    lineage: dict[str, Any] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcTime)
    settled_at: datetime | None = Field(sa_type=UtcTime)


class ApiKeyRow(SQLModel, table=True):
    __tablename__: ClassVar[str] = "api_key"

    id: str = Field(primary_key=True)
    digest: str
    name: str | None
    tenant: str
    tier: str
    admin: bool
    created_at: datetime = Field(sa_type=UtcTime)
    expires_at: datetime | None = Field(sa_type=UtcTime)
    revoked_at: datetime | None = Field(sa_type=UtcTime)
    last_used_on: date | None


def table(name: str) -> Table:
    return SQLModel.metadata.tables[name]
