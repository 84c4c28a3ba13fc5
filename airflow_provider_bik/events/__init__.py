"""What is sent: items as they were read in, encoded events or reasoned rejections out. Pure: no I/O, no clock."""

from airflow_provider_bik.events.contract import Contract
from airflow_provider_bik.events.encoder import Encoder
from airflow_provider_bik.events.hints import Hints
from airflow_provider_bik.events.item import EncodedEvent, InputEvent, Item
from airflow_provider_bik.events.mapping import EventMapping
from airflow_provider_bik.events.mapping_fields import Column, Constant, Each
from airflow_provider_bik.events.pipeline import Mode, Pipeline, PipelineRule
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import REASONS, Reason, Rejection

__all__ = [
    "REASONS",
    "Column",
    "Constant",
    "Contract",
    "Each",
    "EncodedEvent",
    "Encoder",
    "EventMapping",
    "Hints",
    "InputEvent",
    "Item",
    "Mode",
    "Pipeline",
    "PipelineRule",
    "Reading",
    "Reason",
    "Rejection",
]
