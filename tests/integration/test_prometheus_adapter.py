"""The client, and a module through Ansible, against a real Prometheus with TLS and a password, scraping itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.connection import connection
from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.prometheus import PrometheusClient
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.samples import Sample, parse_vector
from dev.cluster import ports
from tests.integration.clusters import wait_for
from tests.integration.plays import Playbooks
from tests.unit.plugins.adapters.certificates import Authority

# bcrypt of PASSWORD, as the web configuration of Prometheus wants it.
PASSWORD = "correct horse"
PASSWORD_HASH = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"
MAX_SAMPLES = 200

Client = Callable[..., PrometheusClient]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Yield the options of the modules that reach the running Prometheus."""
    folder = tmp_path_factory.mktemp("prometheus")
    authority = Authority(folder)
    identity = authority.issue("prometheus")
    port = ports.choose({}, ["prometheus"], in_use=[])["prometheus"]
    scheme = {"scheme": "https", "tls_config": {"ca_file": str(authority.cert)}}
    login = {"basic_auth": {"username": "ansible", "password": PASSWORD}}
    job = {"job_name": "self", **scheme, **login, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    web = {
        "tls_server_config": {"cert_file": str(identity.cert), "key_file": str(identity.key)},
        "basic_auth_users": {"ansible": PASSWORD_HASH},
    }
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "web.yml").write_text(yaml.safe_dump(web))
    params = {
        "prometheus_url": f"https://127.0.0.1:{port}",
        "url_username": "ansible",
        "url_password": PASSWORD,
        "ca_path": str(authority.cert),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--web.config.file={folder}/web.yml",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={folder}/data",
                f"--query.max-samples={MAX_SAMPLES}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: scraped(params), what=f"a scrape by Prometheus, see {folder}/log")
            yield params
        finally:
            process.terminate()
            process.wait(30)


def scraped(params: dict[str, Any]) -> bool:
    with suppress(QueryError):
        return bool(samples(asking(params), "up == 1"))
    return False


def asking(params: dict[str, Any], **others: object) -> PrometheusClient:
    rest = dict.fromkeys(("bearer_token", "headers", "client_cert", "client_key", "url_username", "url_password"))
    return PrometheusClient(connection({**rest, "validate_certs": True, "timeout": 10, **params, **others}))


def samples(client: PrometheusClient, promql: str, **when: Any) -> tuple[Sample, ...]:
    return parse_vector(client.query(promql, **when))


def refused(client: PrometheusClient, promql: str = "up") -> QueryError:
    with pytest.raises(QueryError) as caught:
        client.query(promql)
    assert PASSWORD not in caught.value.message
    return caught.value


def test_the_evaluation_time_is_the_one_asked_for(prometheus: dict[str, Any]) -> None:
    (sample,) = samples(asking(prometheus), "vector(time())", time=1700000000.125)
    assert (sample.value, sample.at) == (1700000000.125, 1700000000.125)


def test_the_look_back_is_the_one_asked_for(prometheus: dict[str, Any]) -> None:
    client = asking(prometheus)
    (build,) = samples(client, "prometheus_build_info")
    later = time.time() + 100
    assert len(samples(client, "up", time=later, lookback_delta=200)) == 1
    # An older Prometheus ignores the parameter: what it tells of a sample's age has to do there.
    ignored = Version(build.labels["version"].partition("+")[0]) < Version("2.43")
    assert len(samples(client, "up", time=later, lookback_delta=60)) == ignored


def test_a_long_query_is_understood(prometheus: dict[str, Any]) -> None:
    padding = " or ".join(f'absent_metric{{n="{number}"}}' for number in range(500))
    assert len(samples(asking(prometheus), f"{padding} or up")) == 1


def test_labels_come_back_as_they_were(prometheus: dict[str, Any]) -> None:
    awkward = 'a",}\\ {{ 7*7 }} ü\n'
    quoted = awkward.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    (sample,) = samples(asking(prometheus), f'label_replace(up, "odd", "{quoted}", "", "")')
    assert sample.labels["odd"] == awkward


def test_what_prometheus_refuses_is_told_in_its_words(prometheus: dict[str, Any]) -> None:
    error = refused(asking(prometheus), "up{")
    assert error.code == "query_failed"
    assert "HTTP 400: bad_data: " in error.message
    assert "parse error" in error.message


def test_too_many_samples_are_told(prometheus: dict[str, Any]) -> None:
    error = refused(asking(prometheus), '{__name__=~".+"}')
    assert error.code == "query_failed"
    assert "HTTP 422: execution: query processing would load too many samples" in error.message
    assert "shorten lookback" in error.message


@pytest.mark.parametrize("login", [{}, {"url_username": "ansible", "url_password": "wrong"}])
def test_a_wrong_password_is_told(prometheus: dict[str, Any], login: dict[str, str]) -> None:
    error = refused(asking(prometheus, **{"url_username": None, "url_password": None, **login}))
    assert error.code == "unauthorized"
    assert "HTTP 401: Unauthorized" in error.message


def test_a_wrong_path_is_told(prometheus: dict[str, Any]) -> None:
    error = refused(asking(prometheus, prometheus_url=f"{prometheus['prometheus_url']}/prefix"))
    assert error.code == "not_found"


def test_an_unknown_authority_is_told(prometheus: dict[str, Any]) -> None:
    assert refused(asking(prometheus, ca_path=None)).code == "tls"


def test_plain_http_to_a_tls_port_is_told(prometheus: dict[str, Any]) -> None:
    error = refused(asking(prometheus, prometheus_url=prometheus["prometheus_url"].replace("https", "http")))
    assert error.code == "http_status"
    assert "HTTP 400: Client sent an HTTP request to an HTTPS server." in error.message


def test_a_module_reaches_it_with_the_defaults_of_its_group(prometheus: dict[str, Any], tmp_path: Path) -> None:
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/sharedgpu.voice.gpu": prometheus},
        "tasks": [
            {"name": "Measure", "sharedgpu.voice.vram_info": {}, "register": "vram", "ignore_errors": True},
            {"name": "Judge", "sharedgpu.voice.vram_floor": {}, "register": "floor", "ignore_errors": True},
        ],
    }
    for arguments in ([], ["--check", "-vvv"]):
        run = Playbooks(tmp_path / f"run{len(arguments)}", {})([play], *arguments).ok()
        measured, judged = run.task("Measure"), run.task("Judge")["result"]
        # It knows no GPU: a Prometheus that answers is not yet a reading.
        assert measured["outcome"] == "ignored"
        assert "not one GPU series" in measured["result"]["msg"]
        assert judged["safe"] is False
        assert judged["checks"][0]["numbers"]["reason"] == "no_series"
        assert PASSWORD not in run.stdout
