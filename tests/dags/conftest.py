"""Makes the DAGs importable as Airflow does it: their folder is on the path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from demo.legs import CUT_OVER

DAGS = Path(__file__).resolve().parents[2] / "dags"

if str(DAGS) not in sys.path:
    sys.path.insert(0, str(DAGS))

# Before the first DAG is imported.
os.environ["BIK_FIRST_DAY"] = CUT_OVER.isoformat()
