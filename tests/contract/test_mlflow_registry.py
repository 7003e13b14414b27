"""The registry as releases see it: a version's digest changes with its files, and not because somebody read them."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.adapters.mlflow_registry import MlflowRegistry
from services.errors import NotFound


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real MLflow store; made once, because MLflow takes many seconds to lay out its tables."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def registered(uri: str, tmp_path: Path):
    """A version whose files lie on this machine: what is hashed is the folder, so any small file will do as a model."""
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "model.bin").write_bytes(b"weights")
    name = tmp_path.name
    client.create_registered_model(name)
    version = client.create_model_version(name, source=folder.as_uri()).version
    return MlflowRegistry(uri), name, str(version), folder


def test_loading_a_version_does_not_change_its_digest(registered, uri):
    import mlflow

    registry, name, version, folder = registered
    before = registry.describe(name, version)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}/{version}")
    assert (folder / "registered_model_meta").is_file(), "MLflow no longer leaves its note: the exception can go"
    after = registry.describe(name, version)
    assert set(after.manifest) == {"MLmodel", "model.bin"}
    assert (after.manifest, after.size_bytes) == (before.manifest, before.size_bytes)


def test_a_changed_byte_and_an_added_file_change_the_digest(registered):
    registry, name, version, folder = registered
    before = registry.describe(name, version).manifest
    (folder / "model.bin").write_bytes(b"Weights")
    changed = registry.describe(name, version).manifest
    (folder / "extra.py").write_text("")
    assert before != changed != registry.describe(name, version).manifest


def test_the_address_of_a_versions_files_is_told_and_a_missing_version_is_named(registered):
    registry, name, version, folder = registered
    assert registry.files_at(name, version) == folder.as_uri()
    with pytest.raises(NotFound, match=f"version 99 of {name}"):
        registry.files_at(name, "99")


def test_the_packages_that_a_model_was_logged_with_are_read(registered):
    registry, name, version, folder = registered
    assert registry.describe(name, version).requirements == {}
    (folder / "requirements.txt").write_text("mlflow==3.17.2\n# why\nscikit-learn==1.9.1 ; python_version > '3'\n"
                                             "fsspec[s3]>=2025\n\nnumpy\n")
    assert registry.describe(name, version).requirements == {
        "mlflow": "==3.17.2", "scikit-learn": "==1.9.1", "fsspec": ">=2025", "numpy": ""}


def test_what_mlflow_shares_with_the_ops_store_is_there_before_a_thread_imports_mlflow() -> None:
    # Else a query of the outbox meets a half-made sqlalchemy.orm on a busy machine, and the process ends.
    code = ("import sys, services.adapters.mlflow_registry; "
            "print('sqlalchemy.orm.exc' in sys.modules, 'mlflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
