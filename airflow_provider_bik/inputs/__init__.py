"""Where events come from: mappings and tables in memory, files at any path, or the query of a database."""

from airflow_provider_bik.inputs.reading import in_chunks, read_items

__all__ = ["in_chunks", "read_items"]
