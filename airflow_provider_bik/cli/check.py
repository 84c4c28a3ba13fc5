"""``check``: does BIK accept the credentials of a Connection? What Airflow's button *Test* does."""

from __future__ import annotations

import argparse

from airflow_provider_bik.cli.connection import add_conn_id, look_up_connections_as_airflow_does
from airflow_provider_bik.cli.screen import show_table
from airflow_provider_bik.errors import BikError

__all__ = ["describe"]


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.description = (
        "Ask BIK whether it accepts the API key, the API secret and the appId of a Connection. No event is sent."
    )
    parser.epilog = "Exit code: 0 if the Connection is good, 1 if it is not or cannot be checked."
    parser.set_defaults(run=_run)
    add_conn_id(parser)


def _run(given: argparse.Namespace) -> int:
    from airflow.providers.common.compat.sdk import AirflowException  # noqa: PLC0415 - --help can do without

    from airflow_provider_bik.hooks.bik import BikHook  # noqa: PLC0415 - as above

    look_up_connections_as_airflow_does()
    hook = BikHook(given.conn_id)
    rows: list[tuple[str, object]] = [("Connection", given.conn_id)]
    try:
        settings = hook.settings
        rows += [
            ("BIK", settings.base_url),
            ("certificate", _certificate(settings.base_url, verify=settings.verify)),
            ("app_id", "given" if settings.app_id is not None else "missing"),
        ]
        good, said = hook.test_connection()
    except BikError as error:
        good, said = False, error.message
    except AirflowException as error:
        good, said = False, f"{error} Add the Connection, or give the id of another one."
    rows.append(("answer", said))
    show_table("Good" if good else "Not good", ("what", "is"), rows)
    return 0 if good else 1


def _certificate(base_url: str, *, verify: bool) -> str:
    if base_url.startswith("http://"):
        return "none: plain http"
    return "is checked" if verify else "is not checked"
