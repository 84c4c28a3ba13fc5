"""What Airflow learns about the package. A mistake here breaks every `airflow` command, so it is a plain dict."""

from __future__ import annotations

from typing import Any

from airflow_provider_bik import __version__

__all__ = ["get_provider_info"]


_ASSETS = {
    "schemes": ["bik"],
    "handler": "airflow_provider_bik.assets.sanitize_uri",
    "factory": "airflow_provider_bik.assets.create_asset",
    "to_openlineage_converter": "airflow_provider_bik.assets.convert_asset_to_openlineage",
}


def get_provider_info() -> dict[str, Any]:  # Airflow's JSON schema, not ours, says what is in it
    """Describe the provider; the shape is that of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-bik",
        "name": "BIK",
        "description": "Carries customer events from a warehouse into BIK, with the right migration flags.",
        "versions": [__version__],
        "state": "ready",
        "source-date-epoch": 1795478400,
        "hooks": [{"integration-name": "BIK", "python-modules": ["airflow_provider_bik.hooks.bik"]}],
        "operators": [{"integration-name": "BIK", "python-modules": ["airflow_provider_bik.operators.bik"]}],
        "transfers": [
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "BIK",
                "python-module": "airflow_provider_bik.transfers.sql_to_bik",
            },
            {
                "source-integration-name": "Common SQL",
                "target-integration-name": "BIK",
                "python-module": "airflow_provider_bik.transfers.sql_to_bik_incremental",
            },
        ],
        "integrations": [
            {"integration-name": "BIK", "external-doc-url": "https://bik.ai", "tags": ["service"]},
        ],
        "cli": ["airflow_provider_bik.cli.definition.get_bik_cli_commands"],
        "asset-uris": [_ASSETS],
        # The name of the same in Airflow 2.
        "dataset-uris": [_ASSETS],
        "extra-links": [
            "airflow_provider_bik.operators.links.BikDeliveryLink",
            "airflow_provider_bik.operators.links.BikRejectedLink",
        ],
        "config": {
            "bik": {
                "description": "Where `airflow-provider-bik` keeps what it must know from one try and run to the next.",
                "options": {
                    "state_path": {
                        "description": (
                            "Folder at any object storage that all workers reach, for the records of deliveries and "
                            "for rejected events. It holds personal data. An operator's argument of the same name "
                            "goes first."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@bucket/bik",
                        "default": None,
                    },
                    "keep_days": {
                        "description": "Days for which rejected events are kept once their delivery has ended.",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "30",
                    },
                },
            }
        },
        "connection-types": [
            {
                "connection-type": "bik",
                "hook-class-name": "airflow_provider_bik.hooks.bik.BikHook",
                "hook-name": "BIK",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"login": "API key", "password": "API secret"},
                    "placeholders": {
                        "host": "https://bikapi.bikayi.app",
                        "login": "from BIK's developer portal; empty if the secret is an AUTH_TOKEN",
                        "password": "from BIK's developer portal",
                        "port": "443",
                    },
                },
                "conn-fields": {
                    "app_id": _field("App ID", "string", "BIK's appId; only the connection test needs it"),
                    "connect_timeout": _field("Connect timeout", "number", "seconds; 10 if empty"),
                    "read_timeout": _field(
                        "Read timeout", "number", "seconds without a byte of the answer; 60 if empty"
                    ),
                    "proxy": _field(
                        "Proxy",
                        "string",
                        "URL of an HTTP proxy, or 'environment' for the variables of the worker",
                        "password",
                    ),
                    "ca_file": _field(
                        "CA file", "string", "PEM file on the worker, instead of the system's authorities"
                    ),
                },
            }
        ],
    }


def _field(label: str, kind: str, description: str, form: str | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": [kind, "null"], "default": None}
    if form is not None:
        schema["format"] = form
    return {"label": label, "description": description, "schema": schema}
