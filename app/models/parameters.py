"""The parameters of a prompt, as a client needs them."""

from collections.abc import Mapping
from typing import Any

from app.completion import Prompt
from app.models.catalogue import ModelSpec
from app.models.upstream_errors import refused


def accepted(spec: ModelSpec, prompt: Prompt) -> dict[str, Any]:
    """Those that the model takes."""
    return {key: value for key, value in prompt.parameters.items() if key not in spec.unsupported_parameters}


def stream_options(spec: ModelSpec, prompt: Prompt) -> Mapping[str, Any]:
    """What the caller asked for of a stream. Raises UpstreamRejected when that is no object."""
    options = prompt.parameters.get("stream_options") or {}
    if not isinstance(options, Mapping):
        raise refused(spec, "stream_options must be an object", "stream_options")
    return options
