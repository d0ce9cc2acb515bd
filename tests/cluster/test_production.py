"""APP_ENV=production on a real cluster, with keys that `python -m app.keys` made."""

import pytest

from tests.cluster.production import Production

pytestmark = pytest.mark.cluster


def test_a_key_opens(production: Production) -> None:
    assert production.cluster.http.get("/v1/models").status_code == 401
    with production.http("pro") as http:
        assert http.get("/v1/models").status_code == 200
