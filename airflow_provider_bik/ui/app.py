"""The pages below ``/bik`` in Airflow's API server: who may see them, where what they say comes from."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.providers.common.compat.sdk import conf
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from airflow_provider_bik.state.overview import Overview, StreamRecords, overview_of
from airflow_provider_bik.state.storage import Folder
from airflow_provider_bik.state.stream_records import read_streams
from airflow_provider_bik.ui.calendar import readable_by
from airflow_provider_bik.ui.details import folder_below, read_details
from airflow_provider_bik.ui.html import render
from airflow_provider_bik.ui.known import Details, Sources
from airflow_provider_bik.ui.reads import Reads, StillReadingError
from airflow_provider_bik.ui.sources import sources_of
from airflow_provider_bik.ui.view import delivery_view, run_view

__all__ = ["build"]

log = logging.getLogger(__name__)

_NOT_MAPPED = -1

# Each needs what Airflow's own pages of the same data need.
_MAY_SEE_TASK = [
    Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.TASK_INSTANCE)),
    Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.XCOM)),
]
_MAY_SEE_RUN = [Depends(requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN)), *_MAY_SEE_TASK]

_PROBLEMS = {
    400: ("This page needs more", "Its address names no run or no task. Open it from the run or the task."),
    401: ("You are not logged in", "Log in to Airflow, then open this page again."),
    403: ("You may not see this", "Your Airflow account has no right to read this DAG. Ask whoever runs Airflow."),
    404: ("There is no such task", "Airflow may have removed it or its run. Open the run again."),
}


def build() -> FastAPI:
    """Make the application."""
    pages = _Pages(
        details=Reads(patience=5.0, fresh=4.0),
        streams=Reads(patience=8.0, fresh=30.0, most=2),
    )
    app = FastAPI(title="BIK", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/delivery", pages.delivery, dependencies=_MAY_SEE_TASK, response_class=HTMLResponse)
    app.add_api_route("/run", pages.run, dependencies=_MAY_SEE_RUN, response_class=HTMLResponse)
    app.add_api_route("/coverage", pages.coverage, response_class=HTMLResponse)
    app.add_exception_handler(HTTPException, _problem)
    app.middleware("http")(_guard)
    return app


class _Pages:
    """What answers the requests.

    Args:
        details: Reads records.
        streams: Reads the records of all streams.
    """

    def __init__(self, *, details: Reads, streams: Reads) -> None:
        self._details, self._streams = details, streams

    async def delivery(self, request: Request) -> Response:
        """One delivery; with ``part=live`` what changes of its page. Of a mapped task as a whole: all of the run."""
        task = (_given(request, "dag_id"), _given(request, "run_id"), _given(request, "task_id"))
        index = _index(request.query_params.get("map_index", ""))
        found = await run_in_threadpool(sources_of, *task, index)
        if not found:
            windows = await run_in_threadpool(sources_of, *task) if index == _NOT_MAPPED else []
            if not windows:
                raise HTTPException(404)
            return RedirectResponse(_run_address(request, *task))
        details, note = await self._details_of(found[0])
        return _page(request, "delivery", view=delivery_view(found[0], details, note))

    async def run(self, request: Request) -> Response:
        """All deliveries of a run."""
        found = await run_in_threadpool(sources_of, _given(request, "dag_id"), _given(request, "run_id"))
        return _page(request, "run", view=run_view(each for each in found if each.is_bik))

    async def coverage(self, request: Request, user: Annotated[BaseUser, Depends(get_user)]) -> Response:
        """What of each stream is delivered.

        Whoever may read no DAG at all may not see it. Others see the streams that a DAG has delivered which they may
        read. What other DAGs have delivered of these shows as delivered, or it would look like a gap, but without its
        DAG and its counts.
        """
        dags = await run_in_threadpool(lambda: get_auth_manager().get_authorized_dag_ids(user=user, method="GET"))
        if not dags:
            raise HTTPException(403)
        streams, note = await self._all_streams()
        readable = await run_in_threadpool(_overviews, streams, dags)
        stream = request.query_params.get("stream")
        chosen = next((each for each in readable if each.name == stream), None)
        months = None if request.query_params.get("months") == "all" else 12
        return _page(request, "coverage", overviews=readable, chosen=chosen, months=months, note=note)

    async def _details_of(self, sources: Sources) -> tuple[Details | None, str]:
        """What the record says, or why it says nothing."""
        path, progress, report = sources.record_path, sources.progress, sources.report
        if path is None or not sources.is_bik:
            return None, ""
        generation = (report.generation if report else None) or (progress.generation if progress else None)
        try:
            return await self._details.get((path, generation), lambda: _read_details(path, generation)), ""
        except StillReadingError:
            return None, "The storage of the record is slow to answer; what is here comes from Airflow itself."
        except _OutsideError:
            return None, (
                "The record is not below the option [bik] state_path of the API server, so that it is not read here."
            )
        except Exception as error:  # noqa: BLE001 - whatever a storage raises, the rest of the page is shown
            return None, f"The API server cannot read the record ({_noted(error)}). The delivery is not affected."

    async def _all_streams(self) -> tuple[list[StreamRecords], str]:
        path = conf.get("bik", "state_path", fallback=None)
        if not path:
            return [], (
                "The option [bik] state_path is not set in the API server. Streams are known where it is set, in the "
                "workers and here."
            )
        try:
            return await self._streams.get(path, lambda: read_streams(Folder(path))), ""
        except StillReadingError:
            return (
                [],
                "The records are being read, which takes a while the first time. This page looks again by itself.",
            )
        except Exception as error:  # noqa: BLE001 - as above
            return [], f"The API server cannot read the state path ({_noted(error)})."


def _noted(error: Exception) -> str:
    """The class of an error, for a page; what it says may name paths and hosts, and is for the log."""
    log.warning("A page of BIK cannot read a record: %s: %s", type(error).__name__, error)
    return type(error).__name__


class _OutsideError(Exception):
    """The record is where the API server does not look."""


def _read_details(path: str, generation: str | None) -> Details:
    root = conf.get("bik", "state_path", fallback=None)
    folder = folder_below(Folder(root), path) if root else None
    if folder is None:
        raise _OutsideError
    return read_details(folder, generation)


def _overviews(streams: Sequence[StreamRecords], dags: Collection[str]) -> list[Overview]:
    return [overview_of(shown) for each in streams if (shown := readable_by(each, dags)) is not None]


def _given(request: Request, name: str) -> str:
    # As `requires_access_dag` reads the DAG: of several, the last.
    value = request.query_params.get(name)
    if not value or value == "~":
        raise HTTPException(400)
    return value


def _index(text: str) -> int:
    # For a task that is not mapped, Airflow's UI leaves the placeholder as it is.
    return int(text) if text.isdecimal() else _NOT_MAPPED


def _run_address(request: Request, dag_id: str, run_id: str, task_id: str) -> str:
    """Of the page of a run, where a task stands on it; relative, as the API server may be below a path."""
    query = {"dag_id": dag_id, "run_id": run_id}
    if _is_part(request):
        query["part"] = "live"
    return f"run?{urlencode(query)}#of-{quote(task_id)}"


def _is_part(request: Request) -> bool:
    return request.query_params.get("part") == "live"


def _page(request: Request, name: str, **values: Any) -> Response:
    nonce = secrets.token_urlsafe(16)
    response = HTMLResponse(render(f"_{name}.html" if _is_part(request) else f"{name}.html", nonce=nonce, **values))
    response.headers["Content-Security-Policy"] = _policy(nonce)
    return response


def _policy(nonce: str) -> str:
    """Nothing from elsewhere, and no script but the page's own, whatever an event says."""
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )


async def _problem(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    title, text = _PROBLEMS.get(status, ("This did not work", "Look into the log of the API server."))
    nonce = secrets.token_urlsafe(16)
    page = render("problem.html", nonce=nonce, title=title, text=text, is_login=status == 401)  # noqa: PLR2004 - HTTP's
    return HTMLResponse(page, status, {"Content-Security-Policy": _policy(nonce)})


async def _guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
