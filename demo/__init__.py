"""The demo: a shop's events travel through a real Airflow into a local BIK. Run it with `make demo`."""
