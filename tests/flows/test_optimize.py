"""The flow on a real local Prefect server: states, exit codes, a schedule that runs, a cancel that leaves nothing."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.cli.workspace import build, call, set_behaviour
from tests.engine.workspace import REPOSITORY, Tiny, environment

pytestmark = pytest.mark.slow
PREFECT = [sys.executable, "-m", "prefect"]


@dataclass
class Server:
    """A running Prefect server."""

    api: str
    variables: dict[str, str]

    def post(self, path: str, **body: Any) -> Any:
        request = Request(f"{self.api}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def runs(self, flow: str) -> dict[str, str]:
        """Final state's name of the task runs of a flow run, by task run name; the server records them with delay."""

        def found() -> list[dict[str, Any]]:
            runs: list[dict[str, Any]] = self.post("task_runs/filter", flow_runs={"id": {"any_": [flow]}})
            return [] if any(run["state_type"] in ("RUNNING", "PENDING") for run in runs) else runs

        return {run["name"]: run["state_name"] for run in wait(found, 30)}

    def flows(self) -> list[dict[str, Any]]:
        return list(self.post("flow_runs/filter", sort="EXPECTED_START_TIME_DESC"))

    def prefect(self, root: Path, *arguments: str) -> str:
        done = subprocess.run(
            [*PREFECT, "--no-prompt", *arguments], cwd=root, env={**os.environ, **self.variables}, text=True,
            capture_output=True, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def wait(condition: Callable[[], Any], seconds: float) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.5)
    raise TimeoutError(condition)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("prefect")
    # as where edgewright is installed: the package is found, the flows only in the workspace
    library = tmp_path_factory.mktemp("library")
    (library / "edgewright").symlink_to(REPOSITORY / "edgewright")
    api = f"http://127.0.0.1:{port}/api"
    variables = {
        "PREFECT_HOME": str(home), "PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1", "PYTHONPATH": str(library), "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    }
    process = subprocess.Popen(
        [*PREFECT, "server", "start", "--port", str(port)], env={**os.environ, **variables}, cwd=home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        wait(lambda: _answers(f"{api}/health"), 120)
        yield Server(api, variables)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Tiny]:
    root = tmp_path_factory.mktemp("flow") / "workspace"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        environment(patch)
        tiny = build(root)
        (root / "flows").symlink_to(REPOSITORY / "flows")
        text = (REPOSITORY / "prefect.yaml").read_text()
        assert "cron: '0 2 * * *'" in text
        (root / "prefect.yaml").write_text(text.replace("cron: '0 2 * * *'", "cron: '* * * * *'"))
        yield tiny


def test_states_and_exit_codes(server: Server, workspace: Tiny):
    def run() -> tuple[int, set[str], dict[str, str], str]:
        done = call(workspace.root, module="flows.optimize", **server.variables)
        shown = done.stdout + done.stderr
        assert done.returncode in (0, 3), shown
        newest = max(server.flows(), key=lambda flow: flow["start_time"])
        states = server.runs(newest["id"])
        return done.returncode, set(states.values()), states, shown

    code, names, states, shown = run()
    assert (code, names) == (0, {"Completed"}), shown
    assert "gq@alpha--calib--plain--xnnpack--w8a8" in states
    assert "report" in states
    code, names, _, shown = run()
    assert (code, names) == (0, {"Cached"}), shown
    set_behaviour(workspace, 3)
    code, names, states, shown = run()
    assert (code, names) == (3, {"Cached", "Failed", "Skipped"}), shown
    assert states["aq@alpha--calib--plain"] == "Failed"
    assert states["report"] == "Skipped"
    assert "column 'x' has 3 nulls" in shown
    set_behaviour(workspace, 8)
    code, names, states, shown = run()
    assert code == 0, shown
    assert states["aq@alpha--calib--plain"] == "Restored"
    assert "Completed" not in names


def test_a_scheduled_run_happens_and_a_cancelled_one_leaves_no_process(server: Server, workspace: Tiny):
    server.prefect(workspace.root, "work-pool", "create", "edgewright", "--type", "process")
    variables = {**server.variables, "EDGEWRIGHT_WORKSPACE": str(workspace.root)}
    Server(server.api, variables).prefect(workspace.root, "deploy", "--all")
    with (workspace.root / ".edgewright" / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [*PREFECT, "worker", "start", "--pool", "edgewright", "--type", "process"], cwd=workspace.root,
            env={**os.environ, **server.variables}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )
    try:
        scheduled = wait(lambda: [flow for flow in server.flows() if flow["auto_scheduled"]
                                  and flow["state_type"] in ("COMPLETED", "FAILED")], 180)
        assert scheduled[0]["state_name"] == "Completed", (workspace.root / ".edgewright/worker.log").read_text()
        assert set(server.runs(scheduled[0]["id"]).values()) <= {"Completed", "Cached"}

        set_behaviour(workspace, 6)
        running = wait(lambda: _processes(workspace.root, "stages.aq"), 180)
        newest = next(flow for flow in server.flows() if flow["state_type"] == "RUNNING")
        server.prefect(workspace.root, "deployment", "schedule", "clear", "optimize/nightly", "--accept-yes")
        server.prefect(workspace.root, "flow-run", "cancel", newest["id"])
        wait(lambda: not _processes(workspace.root, "stages.aq") and not _processes(workspace.root, "engine.worker")
             and not _processes(workspace.root, "prefect.flow_engine"), 60)
        assert running
        wait(lambda: newest["id"] in [flow["id"] for flow in server.flows() if flow["state_type"] == "CANCELLED"], 60)
    finally:
        worker.terminate()
        worker.wait(30)
    set_behaviour(workspace, 8)
    assert call(workspace.root, "run").returncode == 0


def _processes(root: Path, word: str) -> list[int]:
    """Ids of the processes whose folder is the workspace and whose command has the word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.joinpath("cwd").resolve() == root.resolve() and word in entry.joinpath("cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
