"""Several gateways of one route, shown as one."""

from services.gateway.counts import Counts, together


def _shown(generation: int, weights: dict[str, float], *, expired: bool = False, **counts: object) -> dict[str, object]:
    return {"generation": generation, "weights": weights, "expired": expired, **Counts().to_json(), **counts}


def test_counts_are_added_version_by_version():
    whole = together([_shown(3, {"1": 100}, served={"1": 5, "2": 1}, fell_back=1),
                      _shown(3, {"1": 100}, served={"1": 2}, errors={"2": 1}, fell_back=2)])
    assert (whole["served"], whole["errors"], whole["fell_back"]) == ({"1": 7, "2": 1}, {"2": 1}, 3)


def test_the_slowest_follower_speaks_for_the_weights():
    whole = together([_shown(4, {"1": 50, "2": 50}), _shown(3, {"1": 100}), _shown(4, {"1": 50, "2": 50})])
    assert (whole["generation"], whole["weights"]) == (3, {"1": 100})


def test_one_that_took_the_canary_away_speaks_before_its_likes():
    whole = together([_shown(4, {"1": 50, "2": 50}), _shown(4, {"1": 100}, expired=True)])
    assert (whole["weights"], whole["expired"]) == ({"1": 100}, True)
