"""Tell an outside watcher that a pass was done; when the signal stays away, the watcher raises the alarm."""

from dataclasses import dataclass
from datetime import datetime

import httpx

from services.errors import SourceUnavailable


@dataclass(kw_only=True)
class DeadManStep:
    """The very last step of a pass: a GET on the watcher's address, such as a healthchecks ping."""

    url: str
    name: str = "dead-man"

    def run(self, *, now: datetime) -> str:
        """Send the signal.

        Raises:
            SourceUnavailable: the watcher does not answer, or refuses.
        """
        host = httpx.URL(self.url).host
        try:
            answer = httpx.get(self.url, timeout=5)
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"the outside watcher {host} did not answer ({type(error).__name__}): check "
                                    "monitor.dead_man_url") from error
        if answer.is_error:
            raise SourceUnavailable(f"the outside watcher {host} answered {answer.status_code}: check "
                                    "monitor.dead_man_url")
        return f"told {host} at {now:%H:%M:%S} UTC"
