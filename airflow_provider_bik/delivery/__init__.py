"""How events get to BIK: asyncio and pure decisions. No Airflow, no HTTP library, no files, no clock but the loop's."""

from airflow_provider_bik.delivery.checkpoint import Checkpoint, Journal, where_to_begin
from airflow_provider_bik.delivery.engine import deliver
from airflow_provider_bik.delivery.outcomes import DeadLetter
from airflow_provider_bik.delivery.report import DeliveryReport, ReportDict
from airflow_provider_bik.delivery.retry import Answer, AnswerClass
from airflow_provider_bik.delivery.settings import DeliverySettings, IfDelivered, OnUnconfirmed
from airflow_provider_bik.delivery.settling import Stop
from airflow_provider_bik.delivery.verdict import verdict

__all__ = [
    "Answer",
    "AnswerClass",
    "Checkpoint",
    "DeadLetter",
    "DeliveryReport",
    "DeliverySettings",
    "IfDelivered",
    "Journal",
    "OnUnconfirmed",
    "ReportDict",
    "Stop",
    "deliver",
    "verdict",
    "where_to_begin",
]
