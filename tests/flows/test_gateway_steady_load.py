"""Weights change a hundred times, and twenty times back to the champion alone, while clients never stop asking."""

from collections import Counter
from collections.abc import Iterator

import pytest
from scipy.stats import binom

from tests.gateway_clients import Clients
from tests.gateway_fixtures import Running, running, settings_for

CHANGES = 100
BACK = 20


@pytest.fixture
def gateway(registry: str, tmp_path) -> Iterator[Running]:
    with running(settings_for(tmp_path, registry)) as alive:
        alive.split({"1": 100, "2": 0}, generation=1)
        yield alive


def test_no_request_fails_no_row_is_lost_or_doubled_and_shares_follow_the_weights(gateway):
    shares = [0.0]
    routed: list[tuple[float, int, int]] = []  # share of version 2, requests that it got, requests
    with Clients(f"{gateway.url}/production/tiny/invocations") as clients:
        for change in range(1, CHANGES + 1):
            # Every fifth change is a rollback: the champion has everything at once.
            share = 0.0 if change % (CHANGES // BACK) == 0 else float(5 + change * 7 % 90)
            clients.settle()
            before = gateway.seen()["served"]
            clients.after(6)
            after = gateway.seen()["served"]
            routed.append((shares[-1], *(_gained(before, after))))
            gateway.target.set_weights("tiny", "production", {"1": 100 - share, "2": share}, generation=1 + change)
            shares.append(share)
            assert gateway.seen()["weights"] == {v: w for v, w in {"1": 100 - share, "2": share}.items() if w}
        clients.after(6)
    statuses = Counter(one.status for one in clients.answers)
    assert statuses == {200: len(clients.answers)}
    assert shares.count(0.0) == 1 + BACK
    assert all(got == 0 for share, got, _ in routed if share == 0)
    _require_binomial([(share, got, asked) for share, got, asked in routed if share])

    logged = [(row["request_id"], row["model_version"]) for row in gateway.rows()]
    assert sorted(logged) == sorted((one.name, one.version) for one in clients.answers)


def _gained(before: dict[str, int], after: dict[str, int]) -> tuple[int, int]:
    """Return how many requests version 2 got between two readings under the same weights, and how many there were."""
    gained = {version: after.get(version, 0) - before.get(version, 0) for version in ("1", "2")}
    return gained["2"], sum(gained.values())


def _require_binomial(routed: list[tuple[float, int, int]]) -> None:
    """Fail where a share lies where chance puts it less than once in a million, for one weight or for all together."""
    for share, got, asked in routed:
        assert binom.cdf(got, asked, share / 100) > 1e-7, (share, got, asked)
        assert binom.sf(got - 1, asked, share / 100) > 1e-7, (share, got, asked)
    expected = sum(asked * share / 100 for share, _, asked in routed)
    spread = sum(asked * share / 100 * (1 - share / 100) for share, _, asked in routed) ** 0.5
    assert abs(sum(got for _, got, _ in routed) - expected) < 5 * spread
