"""The figures as a table in Markdown, a scenario after the other."""

from collections.abc import Iterable

from tests.bench.scaling.figures import Result

HEAD = (
    "| deployment | replicas: min, mean, max | queue: p50, p99 ms | lost | replica-hours | cores booked |\n"
    "|---|---|---|---|---|---|"
)
HOURS_A_DAY = 24


def table(results: Iterable[Result]) -> str:
    return "\n\n".join(_section(result) for result in results)


def _section(result: Result) -> str:
    rows = [
        f"| {name} | {one.least}, {one.mean:.1f}, {one.most} | {one.p50_ms:.1f}, {one.p99_ms:,.1f} "
        f"| {_share(one.lost)} | {one.replica_hours:.0f} | {one.core_hours / HOURS_A_DAY:.1f} |"
        for name, one in result.deployments.items()
    ]
    pods = ", ".join(f"{hours:.0f} {group}" for group, hours in result.pod_hours.items())
    head = (
        f"**{result.scenario}, day {result.day}**: {result.requests:,} requests, at most "
        f"{max(result.requests_per_s):.0f}/s; pod-hours: {pods}; decisions p50 {result.decision_p50_ms:.0f} ms, p99 "
        f"{result.decision_p99_ms:.0f} ms\n"
    )
    return "\n".join([head, HEAD, *rows])


def _share(share: float) -> str:
    return "0" if share == 0 else f"{100 * share:.2g} %"
