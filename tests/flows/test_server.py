"""Prefect's environment, and that its files name what exists."""

import ast
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml

from flows import server
from tests.support import ROOT


@pytest.fixture
def environment(monkeypatch):
    for name in ("PREFECT_API_URL", "DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "to be undone")
        monkeypatch.delenv(name)


def test_telemetry_is_off_and_no_server_is_invented(environment, monkeypatch):
    monkeypatch.setattr(server, "_LOCAL_API", "http://127.0.0.1:9/api")
    server.prepare()
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert "PREFECT_API_URL" not in os.environ


def test_a_running_server_is_used_unless_another_is_named(environment, monkeypatch):
    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        api = f"http://127.0.0.1:{running.server_port}/api"
        monkeypatch.setattr(server, "_LOCAL_API", api)
        server.prepare()
        assert os.environ["PREFECT_API_URL"] == api
        monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
        server.prepare()
        assert os.environ["PREFECT_API_URL"] == "http://elsewhere/api"
        running.shutdown()


def test_the_deployment_names_a_flow_and_its_parameters():
    (deployment,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    file, _, name = deployment["entrypoint"].partition(":")
    body = ast.parse((ROOT / file).read_text()).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    assert {argument.arg for argument in functions[name].args.args} == set(deployment["parameters"])
    assert deployment["schedules"][0]["active"]
    assert deployment["work_pool"]["name"] == "edgewright"
