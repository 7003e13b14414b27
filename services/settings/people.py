"""Who decides, who is told, by which rule, and where releases go."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from services.settings.section import Section, span


class ApprovalPolicy(Section):
    """How many people sign, per model and environment."""

    model: str = "*"
    environment: str = "production"
    start: int = Field(default=2, ge=0)
    increase: int = Field(default=1, ge=0)
    promote: int = Field(default=2, ge=0)


class RuleSetting(Section):
    """One alert rule of a team's own; what it does not say it inherits from the shipped rule of that measurement."""

    name: str = ""
    measurement: str
    model: str = "*"
    environment: str = "*"
    column: str = "*"
    warn_above: float | None = None
    warn_below: float | None = None
    fail_above: float | None = None
    fail_below: float | None = None
    clear: float | None = None
    for_: str = Field(default="0s", alias="for")
    keep_firing: str = "0s"
    severity: Literal["page", "ticket"] = "ticket"
    owner: str = ""
    runbook: str = ""
    enabled: bool = True


class OnCall(Section):
    """The rotation; an empty list means that nobody is named, and the pages say so."""

    people: list[dict[str, Any]] = Field(default_factory=list)
    handover: str = "Mon 09:00"
    time_zone: str = "UTC"
    start: str = ""
    shift: str = "7d"
    overrides: list[dict[str, Any]] = Field(default_factory=list)
    calendar: str = ""


class Environment(Section):
    """Where an environment's releases are deployed."""

    target: Literal["gateway", "alias", "ray", "kserve", "databricks", "sagemaker"] = "gateway"
    url: str = ""
    replicas: int = Field(default=1, ge=1)  # processes of each version, where the target starts them
    cpus: float = Field(default=1.0, gt=0)  # processors of each of them
    namespace: str = "default"  # of Kubernetes
    plugin: dict[str, Any] = Field(default_factory=dict)  # what MLflow's deployments plugin is told besides
    storage: str = ""  # where a cluster reads versions, s3://bucket/{model}/{version}; else as the registry says


class FreezeWindow(Section):
    """A span in which nothing is rolled out."""

    start: str
    end: str
    reason: str
    environment: str = "production"
    model: str = "*"


class RoleGrant(Section):
    """A role granted by the settings, to a subject or a group."""

    role: Literal["viewer", "author", "approver", "on-call", "manager", "admin"]
    issuer: str = "os"
    subject: str = ""
    group: str = ""
    model: str = "*"
    environment: str = "*"

    @model_validator(mode="after")
    def _one_holder(self) -> "RoleGrant":
        if bool(self.subject) == bool(self.group):
            raise ValueError(f"the {self.role} of {self.issuer} needs a subject or a group, and one of them only")
        return self


class Oidc(Section):
    """The identity provider of `sign_in = "oidc"`, and of `INTERLOCK_TOKEN` at the command line."""

    metadata_url: str = ""  # …/.well-known/openid-configuration
    client_id: str = ""
    audience: str = ""  # of tokens at the command line; else client_id
    redirect_uri: str = ""  # …/oauth2callback, as the provider knows it; else that of this machine
    groups: str = "groups"  # the claim that lists a person's groups
    label: str = "email"  # the claim that is shown as their name


class Runbooks(Section):
    """A folder with a team's own runbooks, laid over the shipped ones."""

    path: str = ""


class Notifications(Section):
    """Where alerts go: Apprise addresses, and when they are said again."""

    urls: list[str] = Field(default_factory=list)
    repeat: str = "4h"
    escalate: str = "15m"
    link: str = ""

    _spans = field_validator("repeat", "escalate")(span)


class QuotaReport(Section):
    """The manager's month, issued by the monitor `after` its end in UTC and sent once.

    It goes to `urls`, or to those of `[notifications]` where there are none.
    """

    monthly: bool = True
    after: str = "6h"
    urls: list[str] = Field(default_factory=list)
    files: tuple[Literal["pdf", "xlsx", "csv", "html"], ...] = ("pdf", "xlsx")

    _spans = field_validator("after")(span)
