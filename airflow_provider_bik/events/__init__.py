"""What is sent: raw mappings in, encoded events or reasoned rejections out. Pure: no I/O, no clock, no Airflow."""

from airflow_provider_bik.events.contract import Contract, EncodedEvent
from airflow_provider_bik.events.pipeline import Mode, Pipeline, PipelineRule
from airflow_provider_bik.events.reasons import REASONS, Reason, Rejection

__all__ = ["REASONS", "Contract", "EncodedEvent", "Mode", "Pipeline", "PipelineRule", "Reason", "Rejection"]
