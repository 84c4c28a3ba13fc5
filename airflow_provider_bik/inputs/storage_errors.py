"""One error for all that goes wrong at a storage, whichever library says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_bik.errors import BikStorageError

__all__ = ["storage_errors"]

_LIBRARIES = frozenset(
    {"adlfs", "aiobotocore", "aiohttp", "azure", "boto3", "botocore", "gcsfs", "google", "requests", "s3fs", "urllib3"}
)
"""Of object storages; not all of their exceptions are OSErrors."""


@contextmanager
def storage_errors(what: str, advice: str = "A retry is safe.") -> Iterator[None]:
    """Translate what the libraries of storages raise.

    Args:
        what: What happened, such as ``"orders.csv cannot be read"``.
        advice: What to do.

    Raises:
        BikStorageError: The storage does not give it.
    """
    try:
        yield
    except Exception as error:
        # Their libraries need not be installed, so their classes are known by name only; all others go on.
        if not isinstance(error, OSError) and not _is_of_a_storage(error):
            raise
        message = f"{what} ({type(error).__name__}). {advice}"
        raise BikStorageError(message) from error


def _is_of_a_storage(error: Exception) -> bool:
    return any(kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__)
