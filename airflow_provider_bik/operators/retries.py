"""When Airflow retries a task that has failed: not at all where that cannot help, and not before it can.

On versions below 3.3 the class of the error decides whether there is a retry, and the task's ``retry_delay`` when.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_provider_bik.errors import BikError

if TYPE_CHECKING or AIRFLOW_V_3_3_PLUS:
    from airflow.sdk import RetryDecision, RetryPolicy
else:
    RetryPolicy = object

__all__ = ["BikRetryPolicy", "bik_error", "for_airflow", "set_retry_policy"]


class BikRetryPolicy(RetryPolicy):
    """What the operators use unless the DAG gives another ``retry_policy``.

    An error that another try would meet again ends the task at once. One that knows from when on a retry can help (BIK
    asks for a pause, a window is not over) is retried then, if that is later than the task's own ``retry_delay``.
    Everything else is Airflow's usual business. It never retries more often than ``retries`` allows.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - as Airflow calls it
        max_tries: int,  # noqa: ARG002 - as above
        context: Any = None,  # noqa: ANN401 - a dict of Airflow's
    ) -> RetryDecision:
        """Decide about one failure."""
        error = bik_error(exception)
        if error is None:
            return RetryDecision.default()
        if not error.retry_can_help:
            return RetryDecision.fail(f"{type(error).__name__}: another try would meet it again")
        usual = getattr((context or {}).get("task"), "retry_delay", None) or timedelta(0)
        asked = timedelta(seconds=error.retry_after or 0)
        if asked <= usual:
            return RetryDecision.default()
        return RetryDecision.retry(asked, f"{type(error).__name__}: before that, another try would meet it again")


def set_retry_policy(operator: Any) -> None:  # noqa: ANN401 - has the attribute on 3.3 and later only
    """Give an operator the policy, unless the DAG has given it one."""
    if AIRFLOW_V_3_3_PLUS and operator.retry_policy is None:
        operator.retry_policy = BikRetryPolicy()


def for_airflow(error: BikError) -> AirflowException:
    """The error as Airflow must see it to retry, or not to. Its class is named, for the docs list errors by it."""
    kind = AirflowException if error.retry_can_help else AirflowFailException
    found = kind(f"{error.message} ({type(error).__name__})")
    found.bik_error = error  # type: ignore[attr-defined]  # for the policy; a cause would stand in the log a second time
    return found


def bik_error(exception: BaseException) -> BikError | None:
    """The error of this package that `for_airflow` has made an exception of."""
    found = getattr(exception, "bik_error", exception)
    return found if isinstance(found, BikError) else None
