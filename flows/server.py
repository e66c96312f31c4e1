"""Prefect as this workspace uses it: telemetry off, and a running server where there is one."""

import os
from urllib.error import URLError
from urllib.request import urlopen

_LOCAL_API = "http://127.0.0.1:4200/api"
_REACH_SECONDS = 0.5


def prepare() -> None:
    """Set Prefect's environment; must run before Prefect is imported.

    PREFECT_API_URL, if set, wins; else a server on this machine's default port is used; else Prefect starts
    an ephemeral one.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    if "PREFECT_API_URL" not in os.environ and _is_running(_LOCAL_API):
        os.environ["PREFECT_API_URL"] = _LOCAL_API


def _is_running(api: str) -> bool:
    try:
        with urlopen(f"{api}/health", timeout=_REACH_SECONDS) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False
