"""``python -m airflow_provider_bik``: the commands for the terminal."""

from __future__ import annotations

import sys

from airflow_provider_bik.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
