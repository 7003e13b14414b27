"""Tag every MLflow run of a process without a line of code, through MLflow's entry point for context providers.

Where this package is installed, `mlflow.start_run()` finds the provider, takes its tags, and the process is watched
from then on. `OPS_WATCH=0` in the environment turns it off.
"""

import os
from typing import Any, Final

from services.training_client import record

_FROM: Final = {
    "ops.pipeline": ("OPS_PIPELINE",), "ops.pipeline_kind": ("OPS_PIPELINE_KIND",),
    "ops.team": ("OPS_TEAM",), "ops.env": ("OPS_ENVIRONMENT",), "ops.pool": ("OPS_POOL",),
    "ops.data_rows": ("OPS_DATA_ROWS",), "ops.hw.accelerator": ("OPS_ACCELERATOR",),
    "ops.sla_s": ("OPS_OBJECTIVE_S",), "ops.submitted_at": ("OPS_SUBMITTED_AT",),
    "ops.req.cpu": ("OPS_CPU", "SLURM_CPUS_ON_NODE"), "ops.req.gpu": ("OPS_GPU", "SLURM_GPUS_ON_NODE"),
    "ops.req.ram_gib": ("OPS_RAM_GIB",), "ops.attempt": ("OPS_ATTEMPT", "SLURM_RESTART_COUNT"),
}


def environment_tags() -> dict[str, str]:
    """Return the tags that the process's environment gives: our own variables, Slurm's, Kubernetes'."""
    tags = {tag: value for tag, names in _FROM.items()
            if (value := next((os.environ[n] for n in names if os.environ.get(n)), ""))}
    if job := os.environ.get("SLURM_JOB_ID"):
        tags["ops.job_ref"] = f"slurm:{job}"
    elif os.environ.get("KUBERNETES_SERVICE_HOST") and (pod := os.environ.get("HOSTNAME")):
        tags["ops.job_ref"] = f"k8s:{os.environ.get('POD_NAMESPACE', 'default')}/{pod}"
    return tags


def watched() -> bool:
    """Tell whether this process wants to be watched."""
    return os.environ.get("OPS_WATCH", "1") not in ("0", "false", "no")


class OpsContextProvider:
    """What MLflow asks for the tags of a run that it is about to create."""

    def in_context(self) -> bool:
        """Tell MLflow whether there is anything to say."""
        return watched()

    def tags(self) -> dict[str, Any]:
        """Return the tags, and watch the process from now on."""
        from services.training_client.watch import watch

        record.safely("the watch", lambda: watch().beat_whatever_runs())
        return {**environment_tags(), "ops.heartbeat": str(record.now_ms())}
