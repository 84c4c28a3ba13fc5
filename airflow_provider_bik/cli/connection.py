"""The Connection of a command: Airflow looks it up as it does for its own commands."""

from __future__ import annotations

import argparse
import os

__all__ = ["add_conn_id", "look_up_connections_as_airflow_does"]


def add_conn_id(parser: argparse.ArgumentParser) -> None:
    """Describe ``--conn-id``."""
    parser.add_argument(
        "--conn-id", default="bik_default", metavar="ID", help="the Connection of type bik (default: %(default)s)"
    )


def look_up_connections_as_airflow_does() -> None:
    """Look into Airflow's database too, as ``airflow connections`` does; else Airflow 3 takes this for a worker."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
