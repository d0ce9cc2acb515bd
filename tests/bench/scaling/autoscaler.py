"""Serve's own scaling decision, fed as Serve feeds it. What is private in Ray is named here and nowhere else."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from ray.serve import autoscaling_policy
from ray.serve._private.common import DeploymentID
from ray.serve._private.constants import RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S as REPORT_S
from ray.serve.config import AutoscalingConfig, AutoscalingContext


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
    """Of one deployment. Callers report every ten seconds, so that a decision rests on a look-back up to that old."""

    def __init__(self, name: str, config: AutoscalingConfig) -> None:
        self.config = config
        self.target = config.initial_replicas or config.min_replicas
        self._id = DeploymentID(name, "simulated")
        self._decide = autoscaling_policy._apply_autoscaling_config(config.policy.get_policy())
        self._state: dict[str, Any] = {}
        self._reported_s, self._next_report_s, self._mean, self._last = 0.0, 0.0, 0.0, 0
        self._areas: deque[tuple[float, float]] = deque([(0.0, 0.0)])

    def tick(self, now_s: float, area: float, ongoing: int, running: int) -> int:
        """The new target. `area` is the integral of ongoing (running and queued) requests over the time so far."""
        if now_s >= self._next_report_s:
            self._report(now_s, area, ongoing)
        since = now_s - self._reported_s  # Serve holds the last value until the next report
        window = min(self.config.look_back_period_s, self._reported_s)
        total = (self._mean * window + self._last * since) / (window + since) if window + since else float(ongoing)
        wanted, self._state = self._decide(self._context(now_s, total, running))
        self.target = min(self.config.max_replicas, max(self.config.min_replicas, math.ceil(wanted)))
        return self.target

    def _report(self, now_s: float, area: float, ongoing: int) -> None:
        self._areas.append((now_s, area))
        while len(self._areas) > 2 and self._areas[1][0] <= now_s - self.config.look_back_period_s:
            self._areas.popleft()
        since_s, before = self._areas[0]
        self._mean = (area - before) / (now_s - since_s) if now_s > since_s else float(ongoing)
        self._reported_s, self._next_report_s, self._last = now_s, now_s + REPORT_S, ongoing

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
