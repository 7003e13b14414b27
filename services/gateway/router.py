"""Decide which version answers a request: a sticky split by weight, without memory.

Weighted rendezvous hashing: every version draws one number per key, and the largest weighted draw wins. A key keeps
its version as long as the weights do, in every process and after every restart. When the weight of one version grows,
keys move only towards it; when it shrinks, only away from it. Nothing here knows which versions are alive.

Source: D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998;
weighted by the exponential race, -ln(u) / w.
"""

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

_SPAN: Final = 2**64


def draw(salt: str, key: str) -> float:
    """Return a number in (0, 1) that looks random and is always the same for this salt and key."""
    digest = blake2b(f"{salt}\x00{key}".encode(errors="surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / _SPAN


def choose(key: str, weights: Mapping[str, float], *, salt: str) -> str | None:
    """Return the version that answers `key`, or None when no version has weight.

    Args:
        key: the entity's id, or the request's where no entity is named.
        weights: version to its share; any positive scale, shares are proportional.
        salt: the model and environment, so that one entity is not in the canary of every model at once.
    """
    racers = [(version, weight) for version, weight in weights.items() if weight > 0]
    if len(racers) <= 1:
        return racers[0][0] if racers else None
    # -ln(u)/w is an exponential waiting time of rate w: the first to arrive is version i with chance w_i / sum(w).
    return min(racers, key=lambda racer: (-math.log(draw(f"{salt}\x00{racer[0]}", key)) / racer[1], racer[0]))[0]


def mirrored(key: str, percent: float, *, salt: str) -> bool:
    """Tell whether a request is copied to the shadow: a share of the keys, independent of the split."""
    return percent >= 100 or (percent > 0 and draw(f"{salt}\x00shadow", key) * 100 < percent)
