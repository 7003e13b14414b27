"""Which models have a release under way in staging, and so need traffic there."""

from services import bootstrap
from services.demo.releases import STAGING
from services.releases.release import HOLDING


def models_in_staging(services: bootstrap.Services) -> set[str]:
    """Return the models whose release in staging is being rolled out or judged."""
    return {r.model for r in services.releases.open() if r.environment == STAGING and r.state in HOLDING}
