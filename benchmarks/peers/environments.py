"""Makes the environments of the other tools below ``build/peers``, with the versions pinned beside this file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.plan import DLT, DLT_ARROW, DRT

__all__ = ["PEERS", "Peer", "python_of"]

_HERE = Path(__file__).parent
_ENVIRONMENTS = _HERE.parent.parent / "build" / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A contestant with a Python of its own.

    Attributes:
        environment: Name of its environment, and of the file of pinned versions.
        module: What its Python runs.
        arguments: What comes before those of every peer: tables of the warm-up and of the measured part, and URL.
    """

    environment: str
    module: str
    arguments: tuple[str, ...] = ()


PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        DLT: Peer(environment="dlt", module="benchmarks.peers.with_dlt", arguments=("sqlalchemy",)),
        DLT_ARROW: Peer(environment="dlt", module="benchmarks.peers.with_dlt", arguments=("pyarrow",)),
        DRT: Peer(environment="drt", module="benchmarks.peers.with_drt"),
    }
)
"""All of them, by the name in the table."""


def python_of(environment: str) -> Path:
    """The Python of an environment, which is made first unless it is there with these versions."""
    directory, pinned = _ENVIRONMENTS / environment, _HERE / f"{environment}.txt"
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = directory / ".ready"
    if not ready.exists() or ready.read_bytes() != pinned.read_bytes():
        sys.stderr.write(f"installing {environment} into {directory}\n")
        _run(sys.executable, "-m", "venv", "--clear", str(directory))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pinned))
        ready.write_bytes(pinned.read_bytes())
    return python


def _run(*command: str) -> None:
    # stdout is for the tables.
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 - what is pinned in this repository
