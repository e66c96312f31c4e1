"""A process that reproduces one stage instance after the other through DVC, so that DVC starts once a job, not a stage.

A request is a line of JSON on standard input, `{"name", "force", "marker"}`; what DVC and the stage print
passes through standard output, and a line that begins with `ANSWER` ends it. The end of standard input ends
the process, in mid-stage too, and the stage dies with it.
"""

import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path

from edgewright.engine import marker
from edgewright.engine.repository import open_repository
from edgewright.processes import PARENT

ANSWER = "\x1eanswer "
"""Begins the line with `{"message"}` that ends a request; empty when all went well."""


def main() -> None:
    """Serve until standard input ends."""
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    os.environ[PARENT] = str(os.getpid())
    import dvc.repo  # noqa: F401  before the first request, which then need not wait for it

    while True:
        request = json.loads(requests.get())
        os.environ[marker.VARIABLE] = request["marker"]
        answer = _reproduce(request["name"], request["force"])
        sys.stderr.flush()
        print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)


def _reproduce(name: str, force: bool) -> dict[str, str]:
    from dvc.exceptions import DvcException

    repo = open_repository(Path.cwd(), log_level=logging.INFO)
    try:
        repo.reproduce(name, single_item=True, force=force)
    except DvcException as error:
        return {"message": str(error.__cause__ or error)}
    finally:
        repo.close()
    return {"message": ""}


if __name__ == "__main__":
    main()
