"""The figures as tables in Markdown: a line a scenario and day, then a section each with a line a deployment."""

from collections.abc import Sequence

from tests.bench.scaling.figures import Result
from tests.bench.scaling.settings import EXTRACTOR, INGRESS, LLAMA

SUMMARY = (
    "| day | scenario | requests, at most /s | pod-hours: router, llama | shed (429) | Ingress queue p99 ms "
    "| decisions p50, p99 ms | without embedding | Llama queue p99 s | sent elsewhere |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
HEAD = (
    "| deployment | replicas: min, mean, max | queue: p50, p99 ms | lost | replica-hours | cores booked |\n"
    "|---|---|---|---|---|---|"
)
HOURS_A_DAY = 24


def table(results: Sequence[Result]) -> str:
    return "\n\n".join(["\n".join([SUMMARY, *map(_line, results)]), *map(_section, results)])


def _line(result: Result) -> str:
    ingress, extractor, llama = (result.deployments[name] for name in (INGRESS, EXTRACTOR, LLAMA))
    pods = ", ".join(f"{hours:.0f}" for hours in result.pod_hours.values())
    return (
        f"| {result.day} | {result.scenario} | {result.requests:,}, {max(result.requests_per_s):.0f} | {pods} "
        f"| {_share(ingress.lost)} | {ingress.p99_ms:,.0f} "
        f"| {result.decision_p50_ms:.0f}, {result.decision_p99_ms:.0f} "
        f"| {_share(extractor.lost)} | {llama.p99_ms / 1000:.1f} | {_share(llama.lost)} |"
    )


def _section(result: Result) -> str:
    rows = [
        f"| {name} | {one.least}, {one.mean:.1f}, {one.most} | {one.p50_ms:.1f}, {one.p99_ms:,.1f} "
        f"| {_share(one.lost)} | {one.replica_hours:.0f} | {one.core_hours / HOURS_A_DAY:.1f} |"
        for name, one in result.deployments.items()
    ]
    return "\n".join([f"**Day {result.day}, {result.scenario}**\n", HEAD, *rows])


def _share(share: float) -> str:
    return "0" if share == 0 else f"{100 * share:.2g} %"
