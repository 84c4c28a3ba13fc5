"""Where events come from: mappings and tables in memory, files at any path, or the query of a database."""

from airflow_provider_bik.inputs.formats import FileFormat
from airflow_provider_bik.inputs.lines import MAX_LINE_BYTES
from airflow_provider_bik.inputs.paths import check_path
from airflow_provider_bik.inputs.reading import CHUNK_SIZE, in_chunks, read_items
from airflow_provider_bik.inputs.rejected import REJECTED_KEY, item_of

__all__ = [
    "CHUNK_SIZE",
    "MAX_LINE_BYTES",
    "REJECTED_KEY",
    "FileFormat",
    "check_path",
    "in_chunks",
    "item_of",
    "read_items",
]
