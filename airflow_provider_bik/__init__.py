"""Apache Airflow provider for BIK: customer events from a warehouse into BIK, with the right migration flags."""

__version__ = "0.1.0"
