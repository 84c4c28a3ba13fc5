"""A whole Airflow whose tasks run on two Celery workers that share no disk, over Redis and PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.scheduler.real_airflow import RealAirflow, TaskRun, parent

__all__ = ["WORKERS", "CeleryAirflow", "cannot_run"]

WORKERS = ("worker-a", "worker-b")

SETTINGS = {
    "CORE__EXECUTOR": "CeleryExecutor",
    # Each worker has a host name of its own, which no name server knows.
    "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
    "CELERY__WORKER_CONCURRENCY": "1",
    "CELERY__SYNC_PARALLELISM": "1",
    # Seconds for handing a task to Redis; the default of 1 is short for a busy machine.
    "CELERY__OPERATION_TIMEOUT": "20",
    # Seconds after which a lost worker's task is given up.
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
    # Longer than any test, so that only the scheduler hands a dead worker's task on.
    "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
}

NAMESPACES = (["unshare", "--mount", "--uts"], ["unshare", "--map-root-user", "--mount", "--uts"])
"""As root, and for whoever may make user namespaces."""

AS_A_MACHINE = 'hostname "$1" && mount --bind "$2" "$3" && shift 3 && exec "$@"'


def cannot_run() -> str | None:
    """Why this machine cannot run it; None if it can."""
    if shutil.which("redis-server") is None:
        return "needs redis-server, as in Debian's package of that name"
    if _namespaces() is None:
        return "needs Linux, and leave to make mount namespaces"
    return None


@functools.cache
def _namespaces() -> list[str] | None:
    for command in NAMESPACES:
        with contextlib.suppress(FileNotFoundError):
            tried = [*command, "sh", "-c", AS_A_MACHINE, "sh", "a-name", "/tmp", "/tmp", "true"]  # noqa: S108 - onto itself
            if subprocess.run(tried, check=False, capture_output=True, timeout=30).returncode == 0:
                return command
    return None


class CeleryAirflow(RealAirflow):
    """Up while its ``with`` block runs, with both workers, which take one task at a time each.

    Args:
        home: As for `RealAirflow`.
        dags: As for `RealAirflow`.
        environment: As for `RealAirflow`.
    """

    def __init__(self, home: Path, *, dags: int, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._redis_port = int(probe.getsockname()[1])
        redis = f"redis://127.0.0.1:{self._redis_port}"
        settings = {**SETTINGS, "CELERY__BROKER_URL": f"{redis}/0", "CELERY__RESULT_BACKEND": f"{redis}/1"}
        named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        super().__init__(home, dags=dags, environment={**named, **environment})
        self.disk = self.disk_at(home)
        self._worker_environment: dict[str, str] = {}
        self._down = ExitStack()

    @staticmethod
    def disk_at(home: Path) -> Path:
        """The directory that is another one on each worker, as workers see it."""
        return home / "disk"

    def disk_of(self, worker: str) -> Path:
        """The same, as the test sees it."""
        return self.home / "disks" / worker

    def __enter__(self) -> Self:
        with ExitStack() as down:
            down.callback(self._kill)
            self._start_redis()
            self.disk.mkdir()
            for worker in WORKERS:
                self.disk_of(worker).mkdir(parents=True)
            super().__enter__()
            down.push(super().__exit__)
            self.wait_for_workers()
            self._down = down.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._down.close()

    def _is_up(self) -> bool:
        if super()._is_up():
            return True
        if "Authorization" in self._session.headers:
            errors = self.get("/importErrors")["import_errors"]
            assert not errors, errors[0]["stack_trace"]
        return False

    def _kill(self) -> None:
        super()._kill()
        # It is called more than once, and by then a number may be another process's.
        self._processes.clear()

    def _run_to_its_end(self, *command: str, environment: dict[str, str]) -> None:
        self._worker_environment = environment
        # Workers never ask the database, so that they can start while it is being set up.
        for worker in WORKERS:
            self.start_worker(worker)
        super()._run_to_its_end(*command, environment=environment)

    def _start_redis(self) -> None:
        port = str(self._redis_port)
        options = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", str(self.home)]
        self._launch("redis", ["redis-server", *options], None)

    def start_worker(self, worker: str) -> None:
        """Start one, with the disk that it had if it was killed."""
        namespaces = _namespaces()
        assert namespaces is not None
        machine = ["sh", "-c", AS_A_MACHINE, "sh", worker, str(self.disk_of(worker)), str(self.disk)]
        airflow = [sys.executable, "-m", "airflow", "celery", "worker"]
        options = ["--skip-serve-logs", "--without-mingle", "--without-gossip"]
        self._launch(worker, [*namespaces, *machine, *airflow, *options], self._worker_environment)

    def _launch(self, name: str, command: list[str], environment: dict[str, str] | None) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                command,
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_workers(self) -> None:
        """Wait until both take tasks."""
        for worker in WORKERS:
            self.wait(f"{worker} to take tasks", functools.partial(self._takes_tasks, worker))

    def _takes_tasks(self, worker: str) -> bool:
        assert self._processes[worker].poll() is None, f"{worker} has ended.\n{self._tails()}"
        return " ready." in (self.home / f"{worker}.log").read_text("utf-8", "replace")

    def worker_of(self, run: TaskRun) -> str:
        """The worker on which the task runs, or ran at its last try."""
        worker = str(run.now["hostname"])
        assert worker in WORKERS
        return worker

    def kill_worker(self, worker: str) -> None:
        """What the loss of a machine does: all its processes end at once, with whatever they were doing."""
        process = self._processes.pop(worker)
        stopped: set[int] = set()
        # One that is stopped makes no new ones, and an orphan would get another parent and be out of sight.
        while found := {process.pid, *_below(process.pid)} - stopped:
            _signal(found, signal.SIGSTOP)
            stopped |= found
        _signal(stopped, signal.SIGKILL)
        process.wait()


def _below(pid: int) -> set[int]:
    """The descendants of a process."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(path.name)] = parent(int(path.name))
    found = {pid}
    while more := {child for child, its_parent in parents.items() if its_parent in found} - found:
        found |= more
    return found - {pid}


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
