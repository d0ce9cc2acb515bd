"""What GET /api/v1/policy answers."""

from typing import Any

from pydantic import BaseModel, Field

from app.storage.releases import Part, State


class WeightsView(BaseModel):
    version: str = Field(description="Of the policy that this replica decides by.")
    tiers: dict[str, dict[str, float]] = Field(description="How much each factor counts, and the quality floor.")


class ClassifierStatusView(BaseModel):
    state: str = Field(description="ok, unknown (no query has needed it yet), or why it was skipped last.")
    version: str | None = Field(description="Of the artefact, as it last took part.")
    last_success: str | None = Field(description="When it last took part, UTC.")


class ReleaseView(BaseModel):
    """An attempt to publish. What was live before the first one has sequence 0."""

    sequence: int = Field(description="Counts the releases of the part.")
    version: str
    state: State = Field(description="refused: not let through; failed: did not become live; replaced: was live.")
    created_at: str = Field(description="ISO 8601, UTC.")
    settled_at: str | None = Field(description="When it was clear how it ends; null while it is being published.")
    lineage: dict[str, Any] = Field(description="Data, code and figures of the comparison, who, and why when forced.")


class PolicyAnswer(BaseModel):
    """The live version of each part in this replica, and what was published last."""

    weights: WeightsView | None = Field(description="Null until the replica has its policy.")
    classifier: ClassifierStatusView
    memory: dict[str, Any] = Field(description="Its state as in health.")
    releases: dict[Part, list[ReleaseView]] | None = Field(description="Newest first; null: the record has no answer.")
    releases_missing: str | None = Field(description="Why releases are null.")
