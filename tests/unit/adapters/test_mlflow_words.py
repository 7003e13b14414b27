import pytest

from services.adapters.mlflow_words import cause, unanswered

REFUSED = ("API request to http://127.0.0.1:9/api/2.0/mlflow/experiments/search failed with exception "
           "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: /api (Caused by "
           "NewConnectionError(\"HTTPConnection(host='127.0.0.1', port=9): Failed to establish a new connection: "
           '[Errno 111] Connection refused"))')


@pytest.mark.parametrize(("text", "said"), [
    (REFUSED, "nothing listens there"),
    ("... Read timed out. (read timeout=120)", "no answer in time"),
    ("... (Caused by NameResolutionError(\"Failed to resolve 'mlflow' ([Errno -2])\"))", "its name is not known"),
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
