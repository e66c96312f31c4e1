"""The schedule as Prefect tasks."""
