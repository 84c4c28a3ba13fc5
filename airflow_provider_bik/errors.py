"""Every error this package raises on purpose.

The tree, and what a retry of the task can do about each::

    BikError
    ├── BikConfigError            a Connection or an argument is wrong           no: fix it first
    ├── BikEventError             an event breaks BIK's contract or BIK rejected it  no: fix the event
    ├── BikInputError             the input cannot be read, however often it is tried  no: fix the input
    ├── BikStorageError           a file cannot be read or written               yes, once the storage is back
    ├── BikDatabaseError          the database could not be read                 yes, once it answers
    ├── BikInputChangedError      a retry reads another input than the first try no: restore the input, or start over
    ├── BikAlreadyDeliveredError  an earlier run has delivered all of it         no: that is what was asked for
    ├── BikOverlapError           an unfinished delivery holds a part of the window  yes, once that one has ended
    ├── BikWindowNotOverError     the window ends in the future                  yes, once it is over
    ├── BikRecordError            the record of a delivery is damaged or out of reach  no: see its text
    ├── BikSupersededError        another try of the same delivery has taken over  yes: it finds what that one did
    ├── BikEndpointError          BIK or the way to it rejects every request     no: fix it, then clear the task
    ├── BikTooManyRejectedError   more events were rejected than allowed         no: fix the rejected events
    └── BikDeliveryIncompleteError  some events have no outcome yet              yes

All of them can be pickled, and none carries personal data or a secret: an event is named by its place in the input.
"""

from __future__ import annotations

__all__ = [
    "BikAlreadyDeliveredError",
    "BikConfigError",
    "BikDatabaseError",
    "BikDeliveryIncompleteError",
    "BikEndpointError",
    "BikError",
    "BikEventError",
    "BikInputChangedError",
    "BikInputError",
    "BikOverlapError",
    "BikRecordError",
    "BikStorageError",
    "BikSupersededError",
    "BikTooManyRejectedError",
    "BikWindowNotOverError",
]


class BikError(Exception):
    """Root of the tree; its text is written for the person on call.

    Args:
        message: What happened, where, what to do next and whether a retry is safe.
        retry_after: Seconds before which a retry cannot help, where that is known.
    """

    retry_can_help: bool = False
    """Whether running the same task again, with nothing changed, may succeed."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class BikConfigError(BikError):
    """A Connection, an extra or an argument is missing or wrong. Nothing was sent."""


class BikEventError(BikError):
    """One event breaks the contract, or BIK rejected it; the text names the reason code, never the value."""


class BikInputError(BikError):
    """The input cannot be read, however often the task is retried."""


class BikStorageError(BikError):
    """A file cannot be read or written. The text names the file, without its directory's secrets."""

    retry_can_help = True


class BikDatabaseError(BikError):
    """The database cannot be reached, or ended the query before all rows were read. Nothing was sent from them."""

    retry_can_help = True


class BikInputChangedError(BikError):
    """A retry reads something else than what an earlier try has sent from. Nothing was sent in this try."""


class BikAlreadyDeliveredError(BikError):
    """An earlier run has completed this delivery, which ``if_delivered="refuse"`` makes an error. Nothing was sent."""


class BikOverlapError(BikError):
    """Another delivery of the stream holds a part of the window and has not ended. Nothing was sent."""

    retry_can_help = True


class BikWindowNotOverError(BikError):
    """The window ends in the future: rows that come until then would pass for delivered. Nothing was sent."""

    retry_can_help = True


class BikRecordError(BikError):
    """The record of a delivery is damaged, or was made where this worker cannot reach it. Nothing was sent."""


class BikSupersededError(BikError):
    """A newer try of the same delivery has taken over; this one has stopped sending."""

    retry_can_help = True


class BikEndpointError(BikError):
    """An answer that every further request would get too: wrong key, wrong host, a redirect, a bad certificate."""


class BikTooManyRejectedError(BikError):
    """Everything deliverable was delivered; more events were rejected than ``max_rejected`` allows."""


class BikDeliveryIncompleteError(BikError):
    """Some events are neither confirmed nor rejected, for example because BIK was out of reach for too long."""

    retry_can_help = True
