"""The errors a person may see, each named for the fact that it states.

Every message says what happened, to which thing, and what to do next. Adapters translate library errors into
these at the boundary; faces print them as one line. Nothing here knows how they are shown.
"""


class OpsError(Exception):
    """A fact that stops one request; its text is fit to be shown to the person who asked."""


class NotFound(OpsError):
    """The named thing is not in the store."""


class Refused(OpsError):
    """The request was understood and declined; nothing was changed."""


class NotAllowed(Refused):
    """The actor may not: no role of theirs permits the action here, or it takes another person's hand.

    `action` and `place` say what was asked for and on what, for the record of denied commands; empty where nobody
    was told apart yet.
    """

    def __init__(self, message: str, *, action: str = "", place: str = "") -> None:
        super().__init__(message)
        self.action, self.place = action, place


class SignInExpired(NotAllowed):
    """Who is asking was said too long ago; the same request counts after signing in again."""


class SettingsError(OpsError):
    """A setting is missing, unknown or impossible; raised before anything starts."""


class SourceUnavailable(OpsError):
    """A system outside us did not answer; the last good data stays in place.

    `retryable` is False where asking again cannot help until somebody changes something.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class SourceMalformed(OpsError):
    """A system outside us answered with something that cannot be read; the rest keeps working."""


class StoreOutdated(OpsError):
    """The ops store's schema does not match this version of the program."""
