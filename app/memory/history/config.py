"""What an operator tunes of the memory of outcomes."""

from typing import Annotated, Literal

from pydantic import Field

from app.strict import Strict

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class MemoryConfig(Strict):
    """`memory` in the args of the application `router`. Which Chroma is CHROMA_URL's business; unset: `folder`."""

    folder: Annotated[str, Field(min_length=1, description="Chroma's files, when CHROMA_URL is unset.")] = "data/memory"
    scope: Annotated[Literal["tenant", "all"], Field(description="Whose past queries a query is compared to.")] = (
        "tenant"
    )
    neighbours: Annotated[int, Field(ge=1, le=100, description="Past queries looked at, at most.")] = 48
    similarity_floor: Annotated[Share, Field(lt=1, description="Cosine from which a past query says anything.")] = 0.5
    half_life_days: Annotated[float, Field(gt=0, description="After it an outcome weighs half.")] = 30.0
    max_memories: Annotated[int, Field(ge=1, description="Of each tenant, or of all; then the oldest go.")] = 100_000
