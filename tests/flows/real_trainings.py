"""Real trainings with scikit-learn and Keras, each a script as people write it; run by test_real_trainings.py.

One process, so that TensorFlow is imported once. What each script would be without the client is made from it there.
"""

import json
import runpy
import sys
from dataclasses import asdict
from pathlib import Path

SCIKIT_LEARN = """
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from services.training_client import training_run

x, y = make_classification(n_samples=240, random_state=0)
with training_run("churn", data_rows=len(x)):
    model = LogisticRegression().fit(x, y)
    print(f"accuracy {model.score(x, y):.2f}")
"""
KERAS = """
import keras
import numpy as np
from services.training_client import training_run


@training_run("ratings", gpu=1)
def main(columns=4):
    x = np.ones((64, columns), dtype="float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, x.sum(axis=1), epochs=2, verbose=0)
    print("trained")


main(WIDTH)
"""
# MLflow's own code, as it stands in many a repository; nothing of ours in it.
NO_LINE = """
import mlflow
from sklearn.linear_model import LinearRegression

with mlflow.start_run(run_name="as it was"):
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    mlflow.log_metric("slope", float(model.coef_[0]))
"""
SCRIPTS = {
    "scikit_learn": SCIKIT_LEARN, "keras": KERAS.replace("WIDTH", "4"), "keras_fails": KERAS.replace("WIDTH", "3"),
    "no_line": NO_LINE,
}


def sizes() -> dict[str, object]:
    import keras

    from services.adapters.model_size import of_keras

    network = keras.Sequential([keras.layers.Input((10,)), keras.layers.Dense(8, use_bias=False),
                                keras.layers.Dense(1, use_bias=False)])
    both = {"a": keras.layers.Input((4,), name="a"), "b": keras.layers.Input((2,), name="b")}
    joined = keras.layers.Dense(3, use_bias=False)(keras.layers.Concatenate()(list(both.values())))
    return {"plain": asdict(of_keras(network)), "named": asdict(of_keras(keras.Model(both, joined)))}


def main(folder: Path) -> None:
    for name, text in SCRIPTS.items():
        script = folder / f"{name}.py"
        script.write_text(text)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except ValueError as error:
            sys.stdout.write(f"{name}: {error}\n")
    (folder / "sizes.json").write_text(json.dumps(sizes()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
