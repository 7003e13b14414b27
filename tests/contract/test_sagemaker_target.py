"""SageMaker through MLflow's deployments plugin: the real plugin on moto, and a double of the one call moto lacks."""

import warnings
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from services.adapters.sagemaker_target import SagemakerTarget, connect
from services.bootstrap.targets import release_targets
from services.errors import Refused, SourceUnavailable
from services.releases.desk import Terms
from services.releases.target import Loading
from services.settings import Settings
from tests.fakes_target import FakeRegistry
from tests.target_suite import MODEL, Subject, TargetSuite

REGION = "eu-central-1"
CONFIG = {"execution_role_arn": "arn:aws:iam::123456789012:role/serving", "bucket": "models",
          "image_url": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/serving:1"}
ACCOUNT = "123456789012"


def _endpoints():
    return sagemaker_backends[ACCOUNT][REGION].endpoints


def _update_endpoint(response: SageMakerResponse) -> str:
    """Take a new configuration over at once: what moto does not do."""
    asked = response._get_param
    endpoint = _endpoints()[asked("EndpointName")]
    endpoint.endpoint_config_name = asked("EndpointConfigName")
    return f'{{"EndpointArn": "{endpoint.arn}"}}'


@pytest.fixture(scope="module")
def account(registry: str) -> Iterator[SagemakerTarget]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setattr(SageMakerResponse, "update_endpoint", _update_endpoint, raising=False)
        with mock_aws():
            boto3.client("s3").create_bucket(Bucket="models",
                                             CreateBucketConfiguration={"LocationConstraint": REGION})
            versions = FakeRegistry(MODEL)
            versions.overwrite(MODEL, "4", status="FAILED_REGISTRATION")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # MLflow's own, about its own type hints, at its import
                made = connect(f"sagemaker:/{REGION}", versions, tracking_uri=registry, registry_uri="", config=CONFIG)
            yield made


@pytest.fixture(scope="module")
def subject(account: SagemakerTarget) -> Subject:
    return Subject(account, lambda _: next(iter(account.observe(MODEL, "production").weights), ""))


class TestSagemaker(TargetSuite):
    """The suite, on moto."""


@pytest.fixture
def serving(account: SagemakerTarget) -> SagemakerTarget:
    """The same, with version 1 serving in staging."""
    _endpoints().pop("tiny-staging", None)
    account.load(MODEL, "staging", "1")
    account.set_weights(MODEL, "staging", {"1": 100}, generation=1)
    return account


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack"])
def test_an_endpoint_that_takes_something_over_is_waited_for(serving, status):
    _endpoints()["tiny-staging"].endpoint_status = status
    with pytest.raises(Loading, match=f"is {status.lower()}"):
        serving.set_weights(MODEL, "staging", {"2": 100}, generation=2)
    assert serving.observe(MODEL, "staging").weights == {"1": 100.0}


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed"])
def test_an_endpoint_that_sagemaker_gave_up_on_needs_a_person(serving, status):
    _endpoints()["tiny-staging"].endpoint_status = status
    with pytest.raises(Refused, match=f"tiny-staging is {status}"):
        serving.set_weights(MODEL, "staging", {"2": 100}, generation=2)


def test_an_endpoint_that_somebody_else_deployed_to_shows_nothing_of_ours(serving):
    client = boto3.client("sagemaker")
    client.create_model(ModelName="theirs", PrimaryContainer={"Image": "x"}, ExecutionRoleArn="arn:aws:iam::1:role/r")
    client.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[{
        "VariantName": "a", "ModelName": "theirs", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}])
    _endpoints()["tiny-staging"].endpoint_config_name = "theirs"
    seen = serving.observe(MODEL, "staging")
    assert (seen.generation, seen.weights) == (0, {})


def test_missing_credentials_are_named_and_not_tried_again(account):
    class Nobody:
        def describe_endpoint(self, **_):
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError

    with pytest.raises(SourceUnavailable, match="AWS refuses us") as refused:
        SagemakerTarget(None, Nobody(), FakeRegistry(MODEL), config={}).observe(MODEL, "staging")
    assert not refused.value.retryable


def test_the_settings_name_the_target_and_what_the_plugin_is_told(account, registry, tmp_path):
    settings = Settings.model_validate({
        "folder": str(tmp_path), "tracking": {"uri": registry},
        "environments": {"production": {"target": "sagemaker", "url": f"sagemaker:/{REGION}", "plugin": CONFIG}}})
    found = release_targets(settings, FakeRegistry(MODEL))(MODEL, "production")
    assert isinstance(found, SagemakerTarget)
    assert found.observe(MODEL, "nowhere").weights == {}
    assert Terms.of(settings).abilities("production") == (False, False)
