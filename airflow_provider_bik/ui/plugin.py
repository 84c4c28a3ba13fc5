"""The plugin that adds BIK's pages to Airflow (3.1 and later).

Airflow imports it in every process, each task included, so it imports nothing that is not there already; what the pages
need is imported when the first of them is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

__all__ = ["BikPlugin"]

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ONE = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
_RUN = "dag_id={DAG_ID}&run_id={RUN_ID}"

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='{}' "
    "stroke-width='2' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='m22 2-7 20-4-9-9-4Z'/%3E"
    "%3Cpath d='M22 2 11 13'/%3E%3C/svg%3E"
)
_LIGHT, _DARK = "%2352525b", "%23a1a1aa"


class LazyPages:
    """The ASGI application of the pages, built at its first request."""

    def __init__(self) -> None:
        self._pages: Callable[[_Scope, _Receive, _Send], Awaitable[None]] | None = None

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if self._pages is None:
            from airflow_provider_bik.ui.app import build  # noqa: PLC0415 - see the docstring of the module

            self._pages = build()
        await self._pages(scope, receive, send)


def _view(name: str, route: str, destination: str, href: str, **more: str) -> dict[str, str]:
    # Relative: Airflow's page has a base, which holds also where the API server is below a path.
    return {
        "name": name,
        "href": f"bik/{href}",
        "url_route": route,
        "destination": destination,
        "icon": _ICON.format(_LIGHT),
        "icon_dark_mode": _ICON.format(_DARK),
        **more,
    }


class BikPlugin(AirflowPlugin):
    """Pages below ``/bik``, and where Airflow's UI shows them; nothing below Airflow 3.1, which cannot show them."""

    name = "bik"
    if AIRFLOW_V_3_1_PLUS:
        fastapi_apps: list[dict[str, Any]] = [{"app": LazyPages(), "url_prefix": "/bik", "name": "BIK"}]
        external_views: list[dict[str, str]] = [
            _view("BIK delivery", "bik-delivery", "task_instance", f"delivery?{_ONE}"),
            _view("BIK deliveries", "bik-run", "dag_run", f"run?{_RUN}"),
            _view("BIK coverage", "bik-coverage", "nav", "coverage", category="browse"),
        ]
