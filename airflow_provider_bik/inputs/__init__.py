"""Where events come from: mappings in memory, or files at any path that Airflow's object storage can open."""

from airflow_provider_bik.inputs.formats import FileFormat
from airflow_provider_bik.inputs.ndjson import MAX_LINE_BYTES
from airflow_provider_bik.inputs.reading import CHUNK_SIZE, in_chunks, read_events

__all__ = ["CHUNK_SIZE", "MAX_LINE_BYTES", "FileFormat", "in_chunks", "read_events"]
