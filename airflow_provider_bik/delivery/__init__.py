"""How events get to BIK: asyncio and pure decisions. No Airflow, no HTTP library, no files, no clock but the loop's."""

from airflow_provider_bik.delivery.answers import Answer, AnswerClass, StopReason
from airflow_provider_bik.delivery.checkpoint import Checkpoint, CheckpointWriter, Counts, NoCheckpoints
from airflow_provider_bik.delivery.engine import Send, deliver
from airflow_provider_bik.delivery.intake import NoRejectedSink, RejectedEvent, RejectedSink
from airflow_provider_bik.delivery.report import DeliveryReport, ReportDict, empty_report, task_error
from airflow_provider_bik.delivery.settings import Delivery, Progress, Sending, parse_max_rejected

__all__ = [
    "Answer",
    "AnswerClass",
    "Checkpoint",
    "CheckpointWriter",
    "Counts",
    "Delivery",
    "DeliveryReport",
    "NoCheckpoints",
    "NoRejectedSink",
    "Progress",
    "RejectedEvent",
    "RejectedSink",
    "ReportDict",
    "Send",
    "Sending",
    "StopReason",
    "deliver",
    "empty_report",
    "parse_max_rejected",
    "task_error",
]
