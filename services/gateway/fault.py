"""What a caller of the gateway is told when a request is not answered: a status, a code and one line."""

from services.errors import OpsError


class InvocationFault(OpsError):
    """A request that gets no prediction. `status` is the HTTP status, `code` MLflow's `error_code`.

    `trace` is where a model raised, for the log only: no caller sees the model's own lines.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None, trace: str = ""
    ) -> None:
        super().__init__(message)
        self.trace = trace
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def blames_model(self) -> bool:
        """Whether the version failed, so that the champion may answer instead; a bad request fails anywhere."""
        return self.status >= 500


def bad_request(message: str) -> InvocationFault:
    """Return the fault of a request that no model could answer."""
    return InvocationFault(400, "BAD_REQUEST", message)
