"""The commands of ``python -m airflow_provider_bik``: each a module with `describe`; `commands` finds the right one."""
