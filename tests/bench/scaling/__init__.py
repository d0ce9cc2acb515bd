"""A day of traffic under Serve's own scaling decision: `python -m tests.bench.scaling`."""
