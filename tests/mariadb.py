"""A real MariaDB, where its server is installed."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["mariadb_server"]

_PROGRAMS = ("mariadb-install-db", "mariadbd")
_PATIENCE = 60.0
_USER, _PASSWORD = "owner", "made up for tests"


@contextmanager
def mariadb_server(directory: Path) -> Iterator[str]:
    """Run a server below a directory; gives the Connection to its empty database ``shop``, as JSON.

    Where that cannot be, the test is skipped, unless the environment insists on it by BIK_REQUIRE_MARIADB=1.
    """
    if missing := _missing():
        if os.environ.get("BIK_REQUIRE_MARIADB") == "1":
            pytest.fail(f"BIK_REQUIRE_MARIADB=1, but {missing} is missing")
        pytest.skip(f"{missing} is missing")
    install, server = (str(_found(program)) for program in _PROGRAMS)
    data, port = directory / "data", _free_port()
    begin = directory / "begin.sql"
    begin.write_text(
        "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
        f"CREATE USER {_USER}@'127.0.0.1' IDENTIFIED BY '{_PASSWORD}';\n"
        f"GRANT ALL ON *.* TO {_USER}@'127.0.0.1' WITH GRANT OPTION;\n"
    )
    common = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    subprocess.run([install, *common, "--skip-test-db"], check=True, capture_output=True, timeout=_PATIENCE)
    running = subprocess.Popen(
        [
            server,
            *common,
            "--bind-address=127.0.0.1",
            f"--port={port}",
            f"--socket={directory / 'socket'}",
            f"--init-file={begin}",
            "--skip-name-resolve",
            # So that times which are right by chance alone are wrong.
            "--default-time-zone=+05:30",
            # A database of a test may be lost.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_listens(port, running)
        yield json.dumps(
            {
                "conn_type": "mysql",
                "host": "127.0.0.1",
                "port": port,
                "login": _USER,
                "password": _PASSWORD,
                "schema": "shop",
            }
        )
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(_PATIENCE)


def _missing() -> str | None:
    """What is not there: a program, or a driver that has to be built with MariaDB's headers."""
    for program in _PROGRAMS:
        if _found(program) is None:
            return program
    for driver in ("MySQLdb", "mysql.connector"):
        try:
            __import__(driver)
        except ImportError:
            return f"the driver {driver}"
    return None


def _found(program: str) -> str | None:
    # Debian has the server where only root looks.
    return shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _wait_until_it_listens(port: int, running: subprocess.Popen[bytes]) -> None:
    """The server listens once it has run its first statements."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and running.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("MariaDB did not begin to listen")
