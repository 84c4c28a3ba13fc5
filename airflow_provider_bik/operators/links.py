"""The links at a task instance: to the page that shows its delivery, and to the rejected events on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["LINKS", "BikDeliveryLink", "BikRejectedLink", "push_links"]

HAS_PAGE = AIRFLOW_V_3_1_PLUS
"""Whether this Airflow can show the page of the package. Below 3.1, the links lead to Airflow's own page of the task
instance, with its XCom: the report names counts, reasons and the file of rejected events."""


class BikDeliveryLink(BaseOperatorLink):
    """Leads to how the delivery is going, or has gone."""

    name = "BIK delivery"
    xcom_key = "bik_delivery_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002 - not one class in all versions
        """The URL for a task instance."""
        return _url(ti_key)


class BikRejectedLink(BaseOperatorLink):
    """Leads to the rejected events of the delivery."""

    name = "Rejected events"
    xcom_key = "bik_rejected_link"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ANN401, ARG002 - as above
        """The URL for a task instance."""
        return _url(ti_key, section="#rejected")


LINKS = (BikDeliveryLink(), BikRejectedLink())
"""The operators have these. Airflow 3 reads them from XCom."""


def push_links(context: Context) -> None:
    """Make the links work while the task runs; Airflow itself makes them only when it has ended."""
    if not AIRFLOW_V_3_0_PLUS:
        return
    ti: Any = context["ti"]
    for link in LINKS:
        ti.xcom_push(key=link.xcom_key, value=link.get_link(None, ti_key=ti))


def _url(ti_key: Any, section: str = "") -> str:  # noqa: ANN401 - a key, or a task instance
    map_index = -1 if ti_key.map_index is None else ti_key.map_index
    if HAS_PAGE:
        query = {"dag_id": ti_key.dag_id, "run_id": ti_key.run_id, "task_id": ti_key.task_id, "map_index": map_index}
        return f"{_path()}/bik/delivery?{urlencode(query)}{section}"
    if AIRFLOW_V_3_0_PLUS:
        mapped = "" if map_index < 0 else f"/mapped/{map_index}"
        names = (quote(name, safe="") for name in (ti_key.dag_id, ti_key.run_id, ti_key.task_id))
        return "{}/dags/{}/runs/{}/tasks/{}{}/xcom".format(_path(), *names, mapped)
    base = str(conf.get("webserver", "base_url", fallback="")).rstrip("/")
    query = {"dag_run_id": ti_key.run_id, "task_id": ti_key.task_id, "tab": "xcom"}
    query |= {} if map_index < 0 else {"map_index": map_index}
    return f"{base}/dags/{quote(ti_key.dag_id)}/grid?{urlencode(query)}"


def _path() -> str:
    """Where Airflow is, without the host: whatever name a person knows it by, the link stays there."""
    return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")
