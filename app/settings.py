"""Settings from the environment, or from a .env file in the project folder; the environment wins.

What an operator tunes for routing is in serve_config.yaml and configs/; here is what differs between machines, and
every secret.
"""

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, ValidationError, field_validator

from app.errors import ConfigError
from app.paths import project_path
from app.storage.text_policy import TextPolicy

# What only the operator can know: a default that is wrong in production would be found out too late.
TO_BE_SAID = {
    "database_url": "write postgresql://user:password@host:5432/database, or sqlite:///path/to/file.db on one machine",
    "trusted_hosts": "write the names that clients call the router by, such as llm.example.com,*.internal,127.0.0.1",
    "store_text": "write full (training needs it), hash or off: how much of queries and answers may be kept",
}
HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]")


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals. Empty means unset."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    app_name: str = "llm-router"
    app_env: Literal["development", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    host: IPvAnyAddress | Literal["localhost"] = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    trusted_hosts: tuple[str, ...] = ()
    tls_in_front: bool = False
    database_url: Annotated[str, Field(repr=False)] = "sqlite:///data/llm-router.db"
    store_text: TextPolicy = TextPolicy.FULL
    redis_url: Annotated[str | None, Field(repr=False)] = None
    chroma_url: Annotated[str | None, Field(repr=False)] = None
    enable_caching: bool = True
    enable_ml_routing: bool = True
    enable_rag_routing: bool = True
    request_timeout: Annotated[float, Field(gt=0, le=3600, description="seconds")] = 120.0
    max_retries: Annotated[int, Field(ge=0, le=10)] = 1
    circuit_breaker_threshold: Annotated[int, Field(ge=1, le=1000)] = 5

    @property
    def production(self) -> bool:
        return self.app_env == "production"

    @field_validator("trusted_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [host.strip() for host in value.split(",")] if isinstance(value, str) else value

    @field_validator("trusted_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [host for host in value if not HOST.fullmatch(host)]:
            raise ValueError(f"{wrong[0]!r} is no host; write names or addresses without port, or *.name, and commas")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


def check_production(settings: Settings) -> None:
    """In production, raises ConfigError with a line for each variable of TO_BE_SAID that is not set."""
    if settings.production and (missing := TO_BE_SAID.keys() - settings.model_fields_set):
        lines = [f"{name.upper()} is not set; {TO_BE_SAID[name]}" for name in TO_BE_SAID if name in missing]
        raise ConfigError("\n".join(f"APP_ENV=production: {line}" for line in lines))


@cache
def environment() -> Mapping[str, str]:
    """The variables of the .env file, overridden by those of the process. Empty values are left out."""
    file = dotenv_values(project_path(".env"))
    return {name: value for name, value in {**file, **os.environ}.items() if value}


def read_settings(variables: Mapping[str, str] | None = None) -> Settings:
    """Raises ConfigError naming each variable at fault and what it allows."""
    variables = environment() if variables is None else variables
    try:
        return Settings.model_validate(
            {name: variables[name.upper()] for name in Settings.model_fields if variables.get(name.upper())}
        )
    except ValidationError as error:
        lines = [
            f"environment variable {str(fault['loc'][0]).upper()}: {fault['msg']} (given: {fault['input']!r})"
            for fault in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error
