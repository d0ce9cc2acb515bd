"""Variables that Ray and vLLM read from the environment of their processes."""

FAST_INGRESS = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
NO_TELEMETRY = {"RAY_USAGE_STATS_ENABLED": "0", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
EDGE = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deployments.request_ids.edge"}  # in front of Serve's middleware
QUICK_STOP = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2"}  # Ray waits 30 s at each stop, requests or none
# A request whose replica died before it answered goes to another one; Ray's own choice is to fail it. HAProxy can send
# again only what it has whole, so it waits for the body first, for which Ray has no variable: the second line of this
# one. A body of more than 16 kB does not fit its buffer: that request fails with its replica.
# With Ray's limits the first requests would use up their retries on the dead replica.
RETRIES = {
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response\n    option http-buffer-request",
    "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT": "1",
    "RAY_SERVE_HAPROXY_RETRIES": "5",
}
# The third look that finds HAProxy dead starts another one; Ray looks each 10 s.
QUICK_RECOVERY = {"RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1"}
