"""What the end of a request says of each model that was called: the rules, for live requests and stored ones alike."""

from app.memory.history.memory import Memory, PastOutcome
from app.storage.judged import MODEL_FAULTS, models_at_fault, success_of
from app.storage.records import OutcomeRecord
from app.storage.rows import clean

NO_ANSWER_TOKENS = 1  # the end mark: a model that says nothing still writes it


def memory_of(user_id: str, outcome: OutcomeRecord, rating: int | None = None) -> Memory | None:
    """Without its vector. None where nothing is to be learnt: a cache answered, or no model is known to be at fault."""
    outcomes = past_outcomes(outcome, rating)
    if not outcomes:
        return None
    return Memory(
        request_id=outcome.request_id,
        tenant=outcome.tenant,
        user_id=clean(user_id),
        at=outcome.created_at.timestamp(),
        outcomes=outcomes,
        answered_by=outcome.model if outcome.error is None else None,
    )


def past_outcomes(outcome: OutcomeRecord, rating: int | None) -> tuple[PastOutcome, ...]:
    """A model that failed by its own fault: 0. One that answered: as rated; unrated: 0 for no answer, else unknown.

    A model that failed and then answered has answered. A stream that broke off is the fault of its model.
    """
    if outcome.cache is not None:
        return ()
    failed = models_at_fault(outcome.fallbacks)
    if outcome.error is not None:
        if outcome.error in MODEL_FAULTS and outcome.model is not None:
            failed.append(outcome.model)
        return tuple(PastOutcome(model, 0.0) for model in dict.fromkeys(failed))
    if outcome.model is None:
        return ()
    others = [PastOutcome(model, 0.0) for model in dict.fromkeys(failed) if model != outcome.model]
    return (*others, _answered(outcome.model, outcome, rating))


def _answered(model: str, outcome: OutcomeRecord, rating: int | None) -> PastOutcome:
    success = None if rating is None else success_of(rating)
    if success is None and _is_empty(outcome):
        success = 0.0
    return PastOutcome(
        model,
        success,
        cost_usd=outcome.cost_usd,
        latency_ms=outcome.latency_ms,
        output_tokens=outcome.output_tokens if _usage_known(outcome) else None,
    )


def _usage_known(outcome: OutcomeRecord) -> bool:
    """No request has 0 input tokens: that is a stream whose provider did not count."""
    return outcome.input_tokens > 0


def _is_empty(outcome: OutcomeRecord) -> bool:
    """One token may be a whole answer ("4"), so that its text has to be known (STORE_TEXT) to be empty."""
    if not _usage_known(outcome) or outcome.output_tokens > NO_ANSWER_TOKENS:
        return False
    return outcome.output_tokens == 0 or outcome.answer_text == ""
