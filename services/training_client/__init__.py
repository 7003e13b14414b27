"""What a training job uses: `from services.training_client import training_run`.

    with training_run(pipeline="churn", kind="training", gpu=1):
        model.fit(x, y)

It runs inside the job's process, next to MLflow, and needs nothing else of this product: no settings, no ops store.
"""

from services.training_client.run import training_run

__all__ = ["training_run"]
