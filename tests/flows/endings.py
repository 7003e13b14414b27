"""Start runs and end them in every way a process can end; run as a script by test_endings.py.

MLflow is imported once; every ending is a forked child, which really ends so. It prints `ending style run_id` lines.
"""

import os
import signal
import sys

ENDINGS = ("nothing", "exception", "exit0", "exit1", "sigint", "sigterm", "sigkill", "_exit")
STYLES = ("bare", "with", "client")


def end(ending: str) -> None:
    if ending == "exception":
        raise KeyError("wind_speed")
    if ending in ("exit0", "exit1"):
        sys.exit(int(ending[-1]))
    if ending == "_exit":
        os._exit(1)
    if ending.startswith("sig"):
        os.kill(os.getpid(), getattr(signal, ending.upper()))
        signal.pause()  # the handler runs here


def child(ending: str, style: str, told: int) -> None:
    import mlflow

    from services.training_client import training_run

    def say(run) -> None:
        os.write(told, f"{ending} {style} {run.info.run_id}\n".encode())

    if style == "bare":
        say(mlflow.start_run(run_name=f"{ending} {style}"))
        end(ending)
    elif style == "with":
        with mlflow.start_run(run_name=f"{ending} {style}") as run:
            say(run)
            end(ending)
    else:
        with training_run("churn", name=f"{ending} {style}", gpu=2) as run:
            say(run)
            sys.stdout.write(f"loading {ending}\n")
            end(ending)


def main() -> None:
    # A job in the background of a shell inherits SIGINT as ignored, and these children must be able to die of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import mlflow
    from mlflow.tracking.context.registry import _run_context_provider_registry as providers

    from services.training_client.context import OpsContextProvider

    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_experiment(sys.argv[2])
    if not any(isinstance(p, OpsContextProvider) for p in providers):
        providers.register(OpsContextProvider)  # as the entry point of an installed package does
    told = os.dup(1)
    children = []
    for ending in ENDINGS:
        for style in STYLES:
            if len(children) == 4:
                os.waitpid(children.pop(0), 0)
            pid = os.fork()
            if pid == 0:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                child(ending, style, told)
                return
            children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


main()
