"""Put the parts together: the only package that imports adapters for everybody else.

`rooms` is what every face lives on; `passes`, `targets` and `parts` add what only the monitor and the command line
need, heavy libraries imported inside.
"""

from services.bootstrap.keeping import back_up, check_backup, pruner, release_from_quarantine, restore
from services.bootstrap.parts import (
    JobWork,
    PartCommand,
    announce,
    audit_key,
    build_jobs,
    build_metrics,
    build_notifier,
    build_supervisor,
    build_validator,
    build_watch,
    examine,
    inspector,
    parent_watch,
    run_gateway,
    run_job,
    run_waiting_jobs,
)
from services.bootstrap.passes import SourceJournal, build_steps
from services.bootstrap.people import OS_ISSUER, enroll, os_claims, settings_holdings, token_claims
from services.bootstrap.planning import advice, pipeline_models, plan_inputs, report_inputs
from services.bootstrap.rooms import Services, build
from services.bootstrap.targets import (
    alias_targets,
    blast_radius,
    build_outbox,
    gateway_target,
    judge_again,
    release_targets,
    targets_of,
)
from services.bootstrap.together import measure_together

__all__ = [
    "OS_ISSUER",
    "JobWork",
    "PartCommand",
    "Services",
    "SourceJournal",
    "advice",
    "alias_targets",
    "announce",
    "audit_key",
    "back_up",
    "blast_radius",
    "build",
    "build_jobs",
    "build_metrics",
    "build_notifier",
    "build_outbox",
    "build_steps",
    "build_supervisor",
    "build_validator",
    "build_watch",
    "check_backup",
    "enroll",
    "examine",
    "gateway_target",
    "inspector",
    "judge_again",
    "measure_together",
    "os_claims",
    "parent_watch",
    "pipeline_models",
    "plan_inputs",
    "pruner",
    "release_from_quarantine",
    "release_targets",
    "report_inputs",
    "restore",
    "run_gateway",
    "run_job",
    "run_waiting_jobs",
    "settings_holdings",
    "targets_of",
    "token_claims",
]
