"""A load test of your own router with Locust, which is not installed with it: `pip install -e ".[load]"`.

    locust -f tests/load_test.py --host http://localhost:8000  # page on port 8089
    locust -f tests/load_test.py --host http://localhost:8000 --headless -u 50 -r 10 -t 1m

LLM_ROUTER_API_KEY is sent as the key, where it is set. LOAD_TEST_MODEL names the model of the requests that name one;
without it nothing but `auto` is asked for. Chat and streams call models: mind what they cost.
"""

import os
import random
from itertools import count
from time import perf_counter
from typing import Any

from locust import HttpUser, between, task

KEY, MODEL = os.environ.get("LLM_ROUTER_API_KEY"), os.environ.get("LOAD_TEST_MODEL", "auto")
QUERIES = (
    "hello",
    "What is the capital of France?",
    "Write a Python function that merges two sorted lists.",
    "Is 91 a prime number, and how would a child find out?",
    "Explain the difference between a process and a thread to a beginner.",
)
MAX_TOKENS = 32


class Asker(HttpUser):
    """Somebody who asks, reads for a second, and asks again: a third of the time what was asked before."""

    wait_time = between(0.5, 1.5)
    numbers = count()

    def on_start(self) -> None:
        self.user_id = f"load-{next(self.numbers)}"
        if KEY:
            self.client.headers["authorization"] = f"Bearer {KEY}"

    @task(4)
    def chat(self) -> None:
        self.client.post("/api/v1/chat", json={"query": self._query(), "user_id": self.user_id})

    @task(2)
    def completion(self) -> None:
        body = {"model": MODEL, "messages": [{"role": "user", "content": self._query()}], "max_tokens": MAX_TOKENS}
        self.client.post("/v1/chat/completions", json={**body, "user": self.user_id})

    @task(2)
    def decision(self) -> None:
        """No model is called."""
        self.client.post("/api/v1/route", json={"query": self._query(), "user_id": self.user_id})

    @task(1)
    def stream(self) -> None:
        """Two lines in the figures: `stream begun`, to the headers, and `first chunk`."""
        body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": self._query()}]}
        body |= {"max_tokens": MAX_TOKENS, "stream": True}
        started, first = perf_counter(), None
        response = self.client.post("/v1/chat/completions", json=body, stream=True, name="stream begun")
        for line in response.iter_lines():  # to the end
            if first is None and line.startswith(b"data: "):
                first = (perf_counter() - started) * 1000
        error = None if first is not None else ValueError("no chunk")
        self.environment.events.request.fire(
            request_type="POST", name="first chunk", response_time=first or 0.0, response_length=0, exception=error
        )

    def _query(self) -> str:
        query = random.choice(QUERIES)
        return query if random.random() < 1 / 3 else f"{query} ({random.randrange(10**9)})"
