"""The base of every validated file and body: an unknown key is an error, and nothing changes afterwards."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
