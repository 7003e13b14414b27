"""The size of a model is read from the logged model itself: counted by hand here, in a process of its own there."""

import json
import sys
from datetime import timedelta

import pytest

from services import bootstrap
from services.adapters.job_table import JobTable
from services.adapters.limited_process import run_limited
from services.adapters.model_size_reader import ModelSizeReader
from services.adapters.model_size_table import ModelSizeTable
from services.core.access import Actor, Grant, Role
from services.monitor.steps.sizes import ModelSizesStep
from services.settings import Settings

# One program that fits models whose numbers can be counted by hand, saves them as MLflow does, and reads them back.
SKLEARN = """
import json, sys, warnings; warnings.simplefilter("ignore")
from dataclasses import asdict
from pathlib import Path
import numpy as np, mlflow.sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, StackingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, SVC
from sklearn.tree import DecisionTreeClassifier
from services.adapters.model_size import of_sklearn, read
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3)); y = (x[:, 0] > 0).astype(int)
models = {
    "linear": LinearRegression().fit(x, y),
    "stump": DecisionTreeClassifier(max_depth=1).fit(x, y),
    "forest": RandomForestClassifier(n_estimators=7, max_depth=1, random_state=0).fit(x, y),
    "boosted": HistGradientBoostingRegressor(max_iter=5, max_depth=1, early_stopping=False).fit(x, y),
    "perceptron": MLPClassifier((4,), max_iter=5).fit(x, y),
    "neighbours": KNeighborsRegressor().fit(x, y),
    "vectors": SVC().fit(x, y),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
    "columns": make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1])], remainder="drop"),
                             LogisticRegression()).fit(x, y),
    "searched": GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, cv=2).fit(x, y),
    "stacked": StackingRegressor([("a", LinearRegression()), ("b", LinearRegression())], LinearRegression()).fit(x, y),
}
found = {name: asdict(of_sklearn(model)) for name, model in models.items()}
found["vectors"]["kept"] = int(models["vectors"].support_vectors_.size + models["vectors"].dual_coef_.size)
mlflow.sklearn.save_model(models["linear"], sys.argv[2], pip_requirements=["scikit-learn"],
                          serialization_format="cloudpickle")
found["saved"] = asdict(read(Path(sys.argv[2])))
Path(sys.argv[1]).write_text(json.dumps(found))
"""


def answer(code: str, folder, *more: str):
    file = folder / "answer.json"
    ended = run_limited([sys.executable, "-c", code, str(file), *more], seconds=300, memory_gib=12.0,
                        environ={"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert ended.how == "done", ended.words
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    return answer(SKLEARN, folder, str(folder / "saved"))


@pytest.mark.parametrize(
    ("name", "params", "operations"),
    [
        ("linear", 3 + 1, 2 * 3),
        ("stump", 2 + 2, 1),  # a feature and a threshold, two leaves; one comparison
        ("forest", 7 * 4, 7),
        ("boosted", 5 * 4, 5),
        ("perceptron", 3 * 4 + 4 + 4 * 1 + 1, 2 * (3 * 4 + 4 * 1)),
        ("neighbours", 200 * 3, 3 * 200 * 3),
        ("pipeline", 3 * 3 + 3 + 1, 2 * 9 + 2 * 3),  # mean, variance and scale; then weights
        ("columns", 3 * 2 + 2 + 1, 2 * 6 + 2 * 2),
        ("searched", 4, 1),
        ("stacked", 2 * 4 + 2 + 1, 2 * 6 + 2 * 2),
    ],
)
def test_scikit_learn_models_are_counted_as_by_hand(sizes, name, params, operations):
    assert (sizes[name]["params"], sizes[name]["operations"]) == (params, operations)


def test_the_architecture_is_that_of_the_estimator_that_answers(sizes):
    assert {name: sizes[name]["architecture"] for name in ("forest", "pipeline", "searched", "stacked")} == {
        "forest": "RandomForestClassifier", "pipeline": "LogisticRegression", "searched": "DecisionTreeClassifier",
        "stacked": "StackingRegressor"}


def test_a_support_vector_machine_keeps_its_vectors(sizes):
    assert sizes["vectors"]["params"] == sizes["vectors"]["kept"]


def test_a_saved_model_names_its_architecture_and_its_bytes(sizes):
    saved = sizes["saved"]
    assert (saved["architecture"], saved["params"], saved["operations"]) == ("LinearRegression", 4, 6)
    assert saved["bytes"] > 100


def test_a_version_that_takes_too_long_is_given_up(tmp_path):
    reader = ModelSizeReader(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", registry_uri="", seconds=0.05)
    assert reader("nobody", "7") == {"problem": "no answer within 0.05 s: it was killed"}


READ = {"architecture": "LinearRegression", "params": 4.0, "operations": 6.0, "bytes": 812.0}


def step(db, *versions):
    return ModelSizesStep(versions=lambda: list(versions), sizes=ModelSizeTable(db), jobs=JobTable(db))


def test_a_pass_asks_for_one_version_at_a_time_and_never_reads_itself(db, now):
    jobs, table = JobTable(db), ModelSizeTable(db)
    passes = step(db, ("a", "1"), ("b", "3"))
    assert passes.run(now=now) == "reading a v1 is queued"
    assert passes.run(now=now) == "reading a v1 is queued already"
    waiting = jobs.claim(now=now)
    assert (waiting.kind, waiting.args) == ("size", {"model": "a", "version": "1"})
    assert jobs.claim(now=now) is None
    assert passes.run(now=now) == "reading a v1 is running already"
    table.save("a", "1", READ, now=now)
    jobs.finish(waiting.id, result=READ, now=now)
    assert passes.run(now=now) == "reading b v3 is queued"
    table.save("b", "3", READ, now=now)
    assert passes.run(now=now) == "every version that matters was read"
    size = table.of("b", "3")
    assert (size.params, size.operations, size.source) == (4.0, 6.0, "read from b v3")


def test_a_version_that_could_not_be_read_is_tried_again_after_a_day_and_holds_up_no_other(db, now):
    table = ModelSizeTable(db)
    table.save("a", "1", {"problem": "ModuleNotFoundError: no lightgbm"}, now=now)
    assert table.of("a", "1") is None
    passes = step(db, ("a", "1"), ("b", "1"))
    assert passes.run(now=now) == "reading b v1 is queued"
    table.save("b", "1", READ, now=now)
    assert passes.run(now=now + timedelta(hours=1)) == "every version that matters was read"
    assert passes.run(now=now + timedelta(days=1)) == "reading a v1 is queued"


def test_a_job_that_was_killed_is_not_asked_for_again_at_every_pass(db, now):
    jobs, passes = JobTable(db), step(db, ("a", "1"), ("b", "1"))
    passes.run(now=now)
    jobs.finish(jobs.claim(now=now).id, error="the job's process ended with -9 before it answered", now=now)
    assert passes.run(now=now) == "reading b v1 is queued"
    ModelSizeTable(db).save("b", "1", READ, now=now)
    assert passes.run(now=now) == ("every version that matters was read; reading a v1 failed and is asked for again "
                                   "after a day")
    assert passes.run(now=now + timedelta(days=1)) == "reading a v1 is queued"


def test_what_people_ask_for_is_done_before_what_the_monitor_wants(db, now):
    jobs = JobTable(db)
    jobs.want("size", {"model": "a", "version": "1"}, now=now)
    ada = Actor(subject="ada", issuer="demo", method="demo", grants=(Grant(role=Role.AUTHOR),))
    jobs.enqueue("validate", {"model": "a", "version": "1"}, actor=ada, op_id="o1", now=now + timedelta(minutes=1))
    assert [jobs.claim(now=now).kind for _ in range(2)] == ["validate", "size"]


def test_the_job_reads_the_version_and_keeps_its_size_or_what_went_wrong(tmp_path, now):
    services = bootstrap.build(Settings.model_validate({
        "folder": str(tmp_path), "home": {"path": "home"},
        "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"}}))
    services.db.migrate()
    services.jobs.want("size", {"model": "nobody", "version": "7"}, now=now)
    assert bootstrap.run_waiting_jobs(services, clock=lambda: now) == ["size nobody 7: done"]
    at, problem = services.sizes.tried()["nobody", "7"]
    assert at == now
    assert "nobody" in problem
    assert bootstrap.run_waiting_jobs(services, clock=lambda: now) == []
