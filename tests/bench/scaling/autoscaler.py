"""Serve's own scaling decision, fed as Serve feeds it. What is private in Ray is named here and nowhere else."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from ray.serve import autoscaling_policy
from ray.serve._private.common import DeploymentID
from ray.serve._private.constants import RAY_SERVE_AUTOSCALING_METRIC_RECORD_INTERVAL_FACTOR as LOOK_SHARE
from ray.serve._private.constants import RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S as REPORT_S
from ray.serve.config import AutoscalingConfig, AutoscalingContext

LEAST_S = 1e-3


class Clock:
    """Stands for the module `time` where Serve measures its delays."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s


@contextmanager
def serves_clock(clock: Clock) -> Iterator[None]:
    """Serve's policy takes the time of its delays from time.time(); within the block that is the simulation's."""
    with patch.object(autoscaling_policy, "time", clock):
        yield


class Autoscaler:
    """Of one deployment. As Serve does, it looks at the requests every few seconds, reports every ten,
    and decides on the mean of the look-back period: what takes milliseconds is seen by chance.
    """

    def __init__(self, name: str, config: AutoscalingConfig) -> None:
        self.config = config
        self.target = config.initial_replicas or config.min_replicas
        self._id = DeploymentID(name, "simulated")
        self._decide = autoscaling_policy._apply_autoscaling_config(config.policy.get_policy())
        self._state: dict[str, Any] = {}
        self._look_s = min(LOOK_SHARE * config.look_back_period_s, REPORT_S)
        self._next_look_s, self._next_report_s = 0.0, 0.0
        self._seen: deque[tuple[float, int]] = deque()
        self._reported: list[tuple[float, int]] = []

    def tick(self, now_s: float, ongoing: int, running: int) -> int:
        """The new target. `ongoing` requests are running or queued, in `running` replicas."""
        if now_s >= self._next_look_s:
            self._seen.append((now_s, ongoing))
            self._next_look_s = now_s + self._look_s
        if now_s >= self._next_report_s:
            while self._seen[0][0] < now_s - self.config.look_back_period_s:
                self._seen.popleft()
            self._reported, self._next_report_s = list(self._seen), now_s + REPORT_S
        wanted, self._state = self._decide(self._context(now_s, mean(self._reported, now_s), running))
        self.target = min(self.config.max_replicas, max(self.config.min_replicas, math.ceil(wanted)))
        return self.target

    def _context(self, now_s: float, total: float, running: int) -> AutoscalingContext:
        return AutoscalingContext(
            deployment_id=self._id,
            deployment_name=self._id.name,
            app_name=self._id.app_name,
            current_num_replicas=running,
            target_num_replicas=self.target,
            running_replicas=[],
            total_num_requests=total,
            total_queued_requests=None,
            aggregated_metrics=None,
            raw_metrics=None,
            capacity_adjusted_min_replicas=self.config.min_replicas,
            capacity_adjusted_max_replicas=self.config.max_replicas,
            policy_state=self._state,
            last_scale_up_time=None,
            last_scale_down_time=None,
            current_time=now_s,
            config=self.config,
        )


def mean(seen: Sequence[tuple[float, int]], now_s: float) -> float:
    """Over the time, each value until the next one and the last one until now: Serve's merge_and_aggregate_arrays."""
    ends = [at_s for at_s, _ in seen[1:]] + [max(now_s, seen[-1][0] + LEAST_S)]
    total = sum(value * (end_s - at_s) for (at_s, value), end_s in zip(seen, ends, strict=True))
    return total / (ends[-1] - seen[0][0])
