"""Makes the DAGs importable as Airflow does it: their folder is on the path."""

from __future__ import annotations

import sys
from pathlib import Path

DAGS = Path(__file__).resolve().parents[2] / "dags"

if str(DAGS) not in sys.path:
    sys.path.insert(0, str(DAGS))
