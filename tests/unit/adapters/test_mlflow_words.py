import pytest

from services.adapters.mlflow_words import Declined, cause, shown, unanswered

REFUSED = ("API request to http://127.0.0.1:9/api/2.0/mlflow/experiments/search failed with exception "
           "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /api (Caused by "
           "NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=9): Failed to establish a new connection: "
           '[Errno 111] Connection refused"))')


@pytest.mark.parametrize(("text", "said"), [
    (REFUSED, "nothing listens there"),
    ("... Read timed out. (read timeout=120)", "no answer in time"),
    ("... (Caused by NameResolutionError(\"Failed to resolve 'mlflow' ([Errno -2])\"))", "its name is not known"),
    ("... (Caused by ResponseError('too many 429 error responses'))", "it wants fewer questions"),
    ("... SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has timed out')",
     "its certificate is not trusted, nor by MLFLOW_TRACKING_SERVER_CERT_PATH"),
    ("... (Caused by ResponseError('too many 500 error responses'))", "it answers with server errors"),
    ("('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))", "it broke the connection off"),
])
def test_a_chain_of_wrapped_errors_is_said_in_a_few_words(text, said):
    assert cause(RuntimeError(text)) == said
    assert unanswered(RuntimeError(text)) == said


def test_what_mlflow_did_answer_is_kept_in_one_bounded_line():
    refused = RuntimeError("RESOURCE_DOES_NOT_EXIST: no model\n called x" + "y" * 500)
    assert unanswered(refused) == ""
    assert cause(refused).startswith("RESOURCE_DOES_NOT_EXIST: no model called x")
    assert len(cause(refused)) == 200


def test_an_error_without_words_is_named():
    assert cause(TimeoutError()) == "TimeoutError"


def test_what_a_server_says_of_itself_is_not_taken_for_silence():
    said = Declined("error 400, BAD_REQUEST: the query timed out", status=400)
    assert (unanswered(said), cause(said)) == ("", "error 400, BAD_REQUEST: the query timed out")
    theirs = RuntimeError("API request to endpoint /api failed with error code 400 != 200. Response body: 'timed out'")
    assert unanswered(theirs) == ""


@pytest.mark.parametrize(("uri", "place"), [
    ("http://mlflow:5000/a", "http://mlflow:5000/a"), ("https://bob:hunter2@mlflow", "https://…@mlflow"),
    ("http://bob:hu@nt/er2@mlflow", "http://…@mlflow"), ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ("databricks", "databricks"),
])
def test_an_address_is_shown_without_user_and_password_and_so_is_an_error_that_quotes_it(uri, place):
    assert shown(uri) == place
    if "hu" in uri:
        assert cause(ValueError(f"Invalid URL '{uri}/api': no host")) == f"Invalid URL '{place}/api': no host"
