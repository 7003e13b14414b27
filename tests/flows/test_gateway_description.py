"""Requests made from the gateway's own OpenAPI description, good and bad: none may end in a server error."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from tests.gateway_fixtures import Running, running, settings_for
from tests.waiting import until


def test_no_request_made_from_the_description_ends_in_a_server_error(registry, tmp_path):
    with running(settings_for(tmp_path, registry)) as gateway:
        until(lambda: gateway.client.get(f"{gateway.url}/ping").status_code == 200, within=120)
        _try_all(gateway)
        until(lambda: gateway.client.get(f"{gateway.url}/ping").status_code == 200)


def _try_all(gateway: Running) -> None:
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    served = {"environment": "production", "model": "tiny"}
    for operation in schema.get_all_operations():
        case_of = operation.ok().as_strategy()

        @settings(max_examples=15, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
                  suppress_health_check=list(HealthCheck))
        @given(case_of)
        def attempt(case: schemathesis.Case) -> None:
            if case.method == "PUT" and "versions" in case.path:
                return  # loads a version that does not exist, for seconds each: told in test_targets
            if served.keys() <= case.path_parameters.keys() and "invocations" in case.path:
                case.path_parameters.update(served)
            answer = case.call(headers={"Authorization": f"Bearer {gateway.gateway.token}"}, timeout=30)
            case.validate_response(answer, checks=[not_a_server_error])

        attempt()
