"""Whether anybody named a tracking server: without one the mirror has nothing to ask, and says so."""

import pytest

from services.settings import Settings


@pytest.mark.parametrize("tracking", [{"uri": "http://mlflow:5000"}, {"registry_uri": "http://registry:5000"},
                                      {"sql": "postgresql://reader@db/mlflow"}])
def test_any_address_names_one(tmp_path, tracking):
    assert Settings.model_validate({"folder": str(tmp_path), "tracking": tracking}).tracking_named


def test_none_is_named_where_no_address_and_no_file_is(tmp_path):
    settings = Settings.model_validate({"folder": str(tmp_path)})
    assert not settings.tracking_named
    settings.home_path.mkdir(parents=True)
    (settings.home_path / "mlflow.db").touch()
    assert settings.tracking_named
