"""Gates as processes on a local cluster: the program's files as the role mounts them, an account's token, a policy."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml
from kubernetes import client, config, utils

from dev import loopback
from dev.bench.gate_objects import ACCOUNT, EXPORTERS, STATE, Place, rights, scenario
from dev.bench.model import BenchError
from dev.bench.objects import Object
from dev.bench.running import CHECKOUT
from dev.cluster.ports import LOOPBACK, reserved_port

_UTILS = CHECKOUT / "plugins" / "module_utils"
_TOKEN_SECONDS = 86400
_DOWN = 20.0


@dataclass(frozen=True)
class Lab:
    """A running cluster and a folder of its own; whatever is started is stopped with `stack`."""

    folder: Path
    kubeconfig: Path
    stack: ExitStack

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("core", "gate", "adapters"):
            shutil.copytree(_UTILS / name, self.folder / "voice" / name, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def client(self) -> client.ApiClient:
        """Return a client with an administrator's rights."""
        made: client.ApiClient = config.new_client_from_config(str(self.kubeconfig))
        return made

    def access(self) -> tuple[str, Path, str]:
        """Return the API server's address, its CA as a file, and an administrator's token."""
        told = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        server = told["clusters"][0]["cluster"]
        authority = self.folder / "ca.crt"
        if not authority.exists():
            authority.write_bytes(base64.b64decode(server["certificate-authority-data"]))
        return str(server["server"]), authority, str(told["users"][0]["user"]["token"])

    def ask(self, path: str, *, json: Any = None, stream: bool = False, timeout: float = 20) -> requests.Response:
        """Ask the API server as an administrator; `json` makes it a POST."""
        server, authority, token = self.access()
        headers = {"Authorization": f"Bearer {token}"}
        method = "GET" if json is None else "POST"
        answer = loopback.request(
            method, f"{server}{path}", json=json, headers=headers, verify=str(authority), stream=stream, timeout=timeout
        )
        answer.raise_for_status()
        return answer

    def api_metrics(self) -> str:
        """Return the API server's metrics."""
        return self.ask("/metrics").text

    def create(self, objects: Iterable[Object]) -> None:
        """Create objects."""
        api = self.client
        for body in objects:
            utils.create_from_dict(api, body)

    def namespace(self, name: str) -> None:
        """Make a namespace."""
        self.create([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])

    def account(self, namespace: str) -> None:
        """Make a namespace with the account of a gate, and write its token."""
        self.namespace(namespace)
        self.create(rights(namespace))
        self.write_token(namespace, ACCOUNT)

    def write_token(self, namespace: str, account: str) -> Path:
        """Write a token of the account where its gate reads it, and return the file."""
        body = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        answer = self.ask(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", json=body)
        path = self.folder / f"{namespace}.token"
        path.write_text(answer.json()["status"]["token"], encoding="ascii")
        return path

    def command(self, namespace: str, plan: Mapping[str, Any], *arguments: str, state: str = STATE) -> list[str]:
        """Return the gate's command with its policy in a file."""
        policy = self.folder / f"{namespace}.json"
        policy.write_text(json.dumps(plan), encoding="utf-8")
        server, authority, _token = self.access()
        return [
            sys.executable,
            *("-B", "-S", "-m", "voice.gate", f"--policy={policy}", f"--namespace={namespace}", f"--state={state}"),
            f"--api-server={server}",
            f"--api-ca={authority}",
            f"--api-token={self.folder / f'{namespace}.token'}",
            *arguments,
        ]

    def gate(self, namespace: str, plan: Mapping[str, Any], *arguments: str, state: str = STATE) -> Gate:
        """Start a gate that goes on until the end."""
        port = self.port()
        command = self.command(namespace, plan, f"--listen={LOOPBACK}:{port}", *arguments, state=state)
        process = self.start(namespace, command)
        gate = Gate(process, f"http://{LOOPBACK}:{port}")
        wait(gate.page, f"the gate of {namespace} (see its log)")
        return gate

    def start(self, name: str, command: Sequence[str], cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program; its output is in a log of that name."""
        log = (self.folder / f"{name}.log").open("ab")
        self.stack.callback(log.close)
        process = subprocess.Popen(command, cwd=cwd or self.folder, env=environ(), stdout=log, stderr=log)
        self.stack.callback(_stop, process)
        return process

    def card(self, name: str, places: Sequence[Place]) -> str:
        """Start a machine with these cards and return its address."""
        file, port = self.folder / f"{name}.yml", self.port()
        file.write_text(yaml.safe_dump(scenario(places)), encoding="utf-8")
        command = [sys.executable, "-m", "dev.card", f"--scenario={file}", f"--kubeconfig={self.kubeconfig}"]
        self.start(name, [*command, f"--listen={LOOPBACK}:{port}"], CHECKOUT)
        url = f"http://{LOOPBACK}:{port}"
        wait(lambda: answers(f"{url}/healthz"), f"the card {name}")
        return url

    def prometheus(self, program: Path, name: str, card_url: str, interval: int) -> str:
        """Start a Prometheus that scrapes a card every `interval` seconds, and return its address."""
        jobs = [
            {
                "job_name": exporter,
                "metrics_path": f"/metrics/{exporter}",
                "static_configs": [{"targets": [card_url.removeprefix("http://")]}],
            }
            for exporter in EXPORTERS
        ]
        every = {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"}
        file, port = self.folder / f"{name}.prometheus.yml", self.port()
        file.write_text(yaml.safe_dump({"global": every, "scrape_configs": jobs}), encoding="utf-8")
        data = f"--storage.tsdb.path={self.folder / f'{name}.data'}"
        listen = f"--web.listen-address={LOOPBACK}:{port}"
        self.start(name, [str(program), f"--config.file={file}", data, listen, "--log.level=warn"])
        url = f"http://{LOOPBACK}:{port}"
        wait(lambda: scraped(url), f"a scrape by {name}")
        return url

    def port(self) -> int:
        """Return a port that nobody else is given until the end."""
        return self.stack.enter_context(reserved_port())


@dataclass(frozen=True)
class Gate:
    """A running gate."""

    process: subprocess.Popen[bytes]
    url: str

    def page(self) -> str:
        """Return its metrics, nothing while it does not answer."""
        try:
            return loopback.get(f"{self.url}/metrics", timeout=5).text
        except (requests.ConnectionError, requests.Timeout):
            if self.process.poll() is not None:
                raise BenchError(f"the gate ended with {self.process.returncode}, see its log") from None
            return ""


@contextmanager
def laboratory(folder: Path, kubeconfig: Path) -> Iterator[Lab]:
    """Give a lab on a running cluster."""
    with ExitStack() as stack:
        yield Lab(folder, kubeconfig, stack)


def environ() -> dict[str, str]:
    """Return what a program of the lab gets of the caller's environment."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZDIR", "HOME", "TMPDIR")}


def answers(url: str) -> bool:
    """Tell whether somebody answers there as wanted."""
    try:
        return loopback.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def scraped(url: str) -> bool:
    """Tell whether a Prometheus has good scrapes of all its targets."""
    try:
        body = loopback.get(f"{url}/api/v1/query", params={"query": "sum(up)"}, timeout=2).json()
    except requests.RequestException:
        return False
    return bool(body["data"]["result"]) and float(body["data"]["result"][0]["value"][1]) == len(EXPORTERS)


def wait(condition: Callable[[], object], what: str, within: float = 90.0) -> None:
    """Wait until something is so; raises BenchError."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {within:.0f} s in vain for {what}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_DOWN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
