"""Every error the router raises on purpose.

RouterError                       status  code
├── ConfigError                      -    invalid_config            start-up only
├── InvalidRequest                  400   invalid_request
│   ├── UnknownModel                404   model_not_found
│   ├── UnknownRequest              404   request_not_found
│   ├── ContextTooLong              400   context_length_exceeded
│   ├── NotEligible                 400   no_eligible_model         tier, tools, images, JSON
│   ├── BodyTooLarge                413   body_too_large
│   └── UntrustedHost               400   untrusted_host            a Host header that is none of TRUSTED_HOSTS
├── Unauthorized                    401   invalid_api_key           no key, a wrong one, or one that has ended
├── Forbidden                       403   forbidden                 the key is good, and may not do this
├── HeadersTooLarge                 431   headers_too_large
├── NoModelAvailable                503   no_model_available        carries Retry-After
├── MetricsUnavailable              503   metrics_unavailable
├── StorageUnavailable              503   storage_unavailable       the database is down, slow or locked; may pass
├── MemoryUnavailable             503   memory_unavailable        the memory of outcomes is down; may pass
├── StageBusy                       503   stage_busy                a deployment's queue is full; the stage is skipped
├── ReleaseConflict               409   release_conflict          somebody else publishes the same part, or just did
└── UpstreamError                   502   upstream_error
    ├── UpstreamRejected            400   upstream_rejected         the provider calls the request invalid
    ├── UpstreamUnauthorized        502   upstream_unauthorized     our key, not the caller's
    ├── UpstreamRateLimited         429   upstream_rate_limited     may pass; carries Retry-After
    │   └── ModelBusy               429   model_busy                the router's own limit; carries Retry-After
    ├── UpstreamUnreachable         502   upstream_unreachable      may pass: connection, 5xx
    ├── UpstreamTimeout             504   upstream_timeout
    └── UpstreamInvalidAnswer       502   upstream_invalid_answer   not JSON, no choices, cut off

A message says what was wrong, where, and what to do. It is public: no secret and no prompt text goes into it.
"""

from typing import ClassVar

from app.models.attempt import Attempt


class RouterError(Exception):
    """Base of the tree. `param` names the field at fault; `retry_after_s` becomes a Retry-After header."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class ConfigError(RouterError):
    code = "invalid_config"


class InvalidRequest(RouterError):
    status = 400
    code = "invalid_request"


class UnknownModel(InvalidRequest):
    status = 404
    code = "model_not_found"


class UnknownRequest(InvalidRequest):
    status = 404
    code = "request_not_found"


class ContextTooLong(InvalidRequest):
    code = "context_length_exceeded"


class NotEligible(InvalidRequest):
    code = "no_eligible_model"


class BodyTooLarge(InvalidRequest):
    status = 413
    code = "body_too_large"


class UntrustedHost(InvalidRequest):
    code = "untrusted_host"


class Unauthorized(RouterError):
    status = 401
    code = "invalid_api_key"


class Forbidden(RouterError):
    status = 403
    code = "forbidden"


class HeadersTooLarge(RouterError):
    status = 431
    code = "headers_too_large"


class NoModelAvailable(RouterError):
    status = 503
    code = "no_model_available"


class MetricsUnavailable(RouterError):
    status = 503
    code = "metrics_unavailable"


class StorageUnavailable(RouterError):
    status = 503
    code = "storage_unavailable"


class MemoryUnavailable(RouterError):
    status = 503
    code = "memory_unavailable"


class ReleaseConflict(RouterError):
    status = 409
    code = "release_conflict"


class StageBusy(RouterError):
    """A deployment's queue is full: the stage is skipped. Only the deployments raise it, for one another."""

    status = 503
    code = "stage_busy"


class UpstreamError(RouterError):
    """A model failed. `transient` says that the same call may pass when it is tried again.

    `attempts`: the calls that failed, where this error ends a chain of them.
    """

    status = 502
    code = "upstream_error"
    transient: ClassVar[bool] = False
    attempts: tuple[Attempt, ...] = ()


class UpstreamRejected(UpstreamError):
    status = 400
    code = "upstream_rejected"


class UpstreamUnauthorized(UpstreamError):
    code = "upstream_unauthorized"


class UpstreamRateLimited(UpstreamError):
    status = 429
    code = "upstream_rate_limited"
    transient = True


class ModelBusy(UpstreamRateLimited):
    """The model takes no more calls now; another one may."""

    code = "model_busy"
    transient = False


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"
    transient = True


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamInvalidAnswer(UpstreamError):
    code = "upstream_invalid_answer"
