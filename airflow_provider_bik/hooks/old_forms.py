"""The connection form of Airflow below 3.2, made from the provider info that later versions read by themselves."""

from __future__ import annotations

from typing import Any

from airflow_provider_bik.get_provider_info import get_provider_info

__all__ = ["field_behaviour", "widgets"]


def field_behaviour() -> dict[str, Any]:
    """What the form calls the standard fields, in the shape that these versions take."""
    form = _connection_type()["ui-field-behaviour"]
    return {
        "hidden_fields": form["hidden-fields"],
        "relabeling": form["relabeling"],
        "placeholders": form["placeholders"],
    }


def widgets() -> dict[str, Any]:
    """The extra fields."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget  # noqa: PLC0415 - 2.x only
    from wtforms import PasswordField, StringField  # noqa: PLC0415 - 2.x only

    return {
        name: PasswordField(field["label"], widget=BS3PasswordFieldWidget())
        if field["schema"].get("format") == "password"
        else StringField(field["label"], widget=BS3TextFieldWidget(), description=field["description"])
        for name, field in _connection_type()["conn-fields"].items()
    }


def _connection_type() -> dict[str, Any]:
    described: dict[str, Any] = get_provider_info()["connection-types"][0]
    return described
