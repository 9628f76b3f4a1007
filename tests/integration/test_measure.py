"""The core through the adapter against a real Prometheus: it scrapes pages that the test serves, and has a history."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.connection import connection
from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.prometheus import PrometheusClient
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.checks import Verdict, judge
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Claim
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.measure import measure
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.peaks import Source, history_query
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.profiles import PROFILES
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.queries import current, facts, quote
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Reading
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.samples import parse_vector
from dev.cluster import ports
from dev.cluster.catalog import TOOLS
from dev.cluster.download import Downloader
from dev.cluster.gobuild import GoBuilder
from dev.cluster.progress import Progress
from dev.cluster.resolver import Resolver
from tests.integration.clusters import wait_for
from tests.unit.plugins.module_utils.core.pages import (
    MIB,
    Card,
    Page,
    Series,
    dcgm,
    gpu_pod_exporter,
    hami,
    llama_swap,
    number,
    nvidia_gpu_exporter,
    nvitop,
)
from tests.unit.plugins.module_utils.core.t4 import CARD, HELD, HOLDERS, check, codes, mib, pages, plan, with_tenant

PODS = {"namespace": "monitoring", "pod": "gpu-pod-exporter-x7k2p", "container": "gpu-pod-exporter"}
DAY = 86400


@cache
def program(name: str) -> Path:
    progress = Progress(sys.stderr)
    return Resolver(progress, Downloader(), GoBuilder(progress, go=shutil.which("go"))).resolve(TOOLS[name]).path


class Exporters:
    """Serves each page under its job's name; a page of None is an exporter that answers 500."""

    def __init__(self, scraped: Iterable[Page]) -> None:
        self.pages: dict[str, Page | None] = {page.job: page for page in scraped}
        #: the time (seconds) that the exporters put on their samples, where they put one
        self.stamp: float | None = None
        exporters = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = exporters.pages.get(self.path.strip("/"))
                body = exporters.exposition(page).encode() if page else b""
                self.send_response(200 if page else 500)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Exporters:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def exposition(self, page: Page) -> str:
        stamp = "" if self.stamp is None else f" {self.stamp * 1000:.0f}"
        return "".join(f"{line(series)}{stamp}\n" for series in page.series)

    def jobs(self) -> list[dict[str, Any]]:
        return [
            {
                "job_name": job,
                "metrics_path": f"/{job}",
                "honor_labels": page.honor_labels,
                "static_configs": [{"targets": [self.address], "labels": page.target_labels}],
            }
            for job, page in self.pages.items()
            if page
        ]


def line(series: Series) -> str:
    """Return the series in the text format, without a time."""
    labels = ",".join(f"{name}={quote(value)}" for name, value in series.labels.items())
    return f"{series.metric}{{{labels}}} {number(series.value)}"


@dataclass
class Monitored:
    """A running Prometheus and the exporters that it scrapes."""

    exporters: Exporters
    url: str

    @property
    def client(self) -> PrometheusClient:
        rest: dict[str, Any] = dict.fromkeys(
            ("bearer_token", "headers", "ca_path", "client_cert", "client_key", "url_username", "url_password")
        )
        return PrometheusClient(connection({**rest, "prometheus_url": self.url, "validate_certs": True, "timeout": 10}))

    def read(self, value: Any = None, **options: Any) -> Reading:
        return measure(self.client, parse_plan(plan() if value is None else value), Options(**options))

    def judge(self, value: Any = None) -> Verdict:
        parsed = parse_plan(plan() if value is None else value)
        return judge(parsed, measure(self.client, parsed, Options()), {})

    def ask(self, promql: str) -> list[float]:
        with suppress(QueryError):
            return [sample.value for sample in parse_vector(self.client.query(promql, time=None, lookback_delta=None))]
        return []


@contextmanager
def prometheus(folder: Path, scraped: Iterable[Page]) -> Iterator[Monitored]:
    """Run a Prometheus that has scraped every page; what lies in ``folder/data`` is its history."""
    with Exporters(scraped) as exporters:
        jobs = exporters.jobs()
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        port = ports.choose({}, ["prometheus"], in_use=[])["prometheus"]
        arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with (folder / "log").open("wb") as log:
            running = subprocess.Popen(
                [program("prometheus"), *arguments, f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            monitored = Monitored(exporters, f"http://127.0.0.1:{port}")
            wait_for(lambda: sum(monitored.ask("up")) == len(jobs), what=f"a scrape of every page, see {folder}/log")
            yield monitored
        finally:
            running.kill()  # its data go with the test
            running.wait(30)


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Callable[..., Monitored]]:
    """Return a function that starts a Prometheus for some pages; it ends with the test."""
    with ExitStack() as running:
        yield lambda *scraped: running.enter_context(prometheus(tmp_path, scraped))


def held(reading: Reading) -> dict[str | None, float]:
    sums: dict[str | None, float] = {}
    for resident in reading.residents:
        sums[resident.tenant] = sums.get(resident.tenant, 0) + mib(resident.used_bytes)
    return sums


OWN = [("portal-stt", "speaches-1", 1500.0), ("immich", "immich-ml-1", 2150.0)]
MINE: dict[str | None, float] = {"stt": 1500.0, "immich-ml": 2150.0, "frigate": 1920.0, "android-emulator": 150.0}


@pytest.mark.parametrize(
    ("scraped", "expected", "total"),
    [
        (pages(), MINE, "measured"),
        ([replace(page, honor_labels=True) for page in pages()], MINE, "measured"),
        ([gpu_pod_exporter(*HOLDERS, target=PODS)], MINE, "declared"),
        ([dcgm(CARD)], {None: CARD.used}, "measured"),
        ([dcgm(CARD, pods=OWN, mode="copied", prefix="nvidia_tesla_t4_")], {None: CARD.used}, "measured"),
        ([dcgm(CARD, pods=OWN, mode="own")], {"stt": 1500, "immich-ml": 2150, None: CARD.used - 3650}, "measured"),
        (
            [dcgm(CARD, pods=OWN, mode="own", honor_labels=True, hostname="hostname")],
            {"stt": 1500, "immich-ml": 2150, None: CARD.used - 3650},
            "measured",
        ),
        ([nvidia_gpu_exporter(CARD, collected_at=None), gpu_pod_exporter(*HOLDERS)], MINE, "measured"),
        ([nvitop(CARD), llama_swap(CARD)], {None: CARD.used + 450}, "measured"),
        ([hami(CARD, *OWN)], {"stt": 1500, "immich-ml": 2150, None: CARD.used + 450 - 3650}, "declared"),
        (pages(("unknown", "unknown", 900), ('a"}\n\\', "\x1b[2J", 800)), {**MINE, None: 1700}, "measured"),
    ],
)
def test_exporters_are_read_as_in_the_unit_tests(
    monitor: Callable[..., Monitored], scraped: list[Page], expected: dict[str | None, float], total: str
) -> None:
    reading = monitor(*scraped).read()
    assert reading.problems == ()
    assert held(reading) == expected
    assert reading.cards[0].total_source == total
    assert reading.cards[0].age_seconds is None or reading.cards[0].age_seconds < 5


FAULTY = [
    ([Page("node", (Series("node_load1", {}, 1),))], "no_series"),
    ([dcgm(replace(CARD, used=math.nan)), gpu_pod_exporter(*HOLDERS)], "not_a_size"),
    ([dcgm(Card(used=HELD - 300)), gpu_pod_exporter(*HOLDERS)], "contradiction"),
    ([dcgm(CARD), nvidia_gpu_exporter(Card(used=900), collected_at=None)], "contradiction"),
    ([nvidia_gpu_exporter(CARD, collected_at=1_600_000_000.0)], "stale"),
    ([nvidia_gpu_exporter(CARD, success=0, collected_at=None)], "collection_failed"),
    ([dcgm(replace(CARD, node="gpu-9"))], "card_missing"),
]


@pytest.mark.parametrize(("scraped", "code"), FAULTY, ids=[f"{code}-{n}" for n, (_p, code) in enumerate(FAULTY)])
def test_faults_blind(monitor: Callable[..., Monitored], scraped: list[Page], code: str) -> None:
    reading = monitor(*scraped).read()
    assert codes(reading) == {code}
    assert reading.cards == ()


def test_an_exporter_that_breaks_off_blinds_until_it_is_back(monitor: Callable[..., Monitored]) -> None:
    monitored = monitor(*pages())
    assert monitored.judge().safe
    pod_page = monitored.exporters.pages["gpu-pod-exporter"]
    monitored.exporters.pages["gpu-pod-exporter"] = None
    wait_for(lambda: codes(monitored.read()) == {"source_silent"}, what="the silence of the pods' exporter")
    assert not monitored.judge().safe
    monitored.exporters.pages["gpu-pod-exporter"] = replace(gpu_pod_exporter(), series=())
    wait_for(lambda: sum(monitored.ask("up")) == 2, what="an exporter that answers with nothing")
    assert codes(monitored.read()) == {"source_silent"}
    monitored.exporters.pages["gpu-pod-exporter"] = pod_page
    wait_for(lambda: not monitored.read().problems, what="the exporter's return")
    monitored.exporters.pages["nvidia-dcgm-exporter"] = None
    wait_for(lambda: codes(monitored.read()) == {"source_silent"}, what="the silence of the card's exporter")
    monitored.exporters.pages["gpu-pod-exporter"] = None
    wait_for(lambda: codes(monitored.read()) == {"stale"}, what="the silence of all exporters")


def test_old_samples_blind(monitor: Callable[..., Monitored]) -> None:
    """An exporter that stamps its samples itself leaves ghosts of them, for as long as Prometheus looks back."""
    monitored = monitor(replace(dcgm(CARD), series=()))
    monitored.exporters.stamp = time.time() - 200
    monitored.exporters.pages["nvidia-dcgm-exporter"] = dcgm(CARD)
    wait_for(lambda: monitored.ask("DCGM_FI_DEV_FB_USED"), what="an old sample")
    assert codes(monitored.read()) == {"stale"}
    assert monitored.read(max_age=280).problems == ()


# --- history


def history(folder: Path, pods: Mapping[tuple[str, str], list[tuple[float, float, float]]]) -> None:
    """Write blocks: by (namespace, pod) its spans (days ago from, days ago to, MiB), a sample every two minutes."""
    now = int(time.time()) // 120 * 120
    labelled = gpu_pod_exporter(*((namespace, pod, 0) for namespace, pod in pods)).scraped()
    points = [
        (now - begin * DAY + step * 120, replace(series, value=size * MIB))
        for series, spans in zip(labelled, pods.values(), strict=True)
        for begin, end, size in spans
        for step in range(round((begin - end) * DAY / 120))
    ]
    points.sort(key=lambda point: (point[1].labels["pid"], point[0]))
    text = "".join(f"{line(series)} {at:.3f}\n" for at, series in points)
    source = folder / "history.om"
    source.write_text(f"# TYPE gpu_pod_memory_used_bytes gauge\n{text}# EOF\n", encoding="utf-8")
    done = subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", source, folder / "data"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_peaks_are_those_of_pods_that_lived_together(tmp_path: Path) -> None:
    history(
        tmp_path,
        {
            # two pods of 3000 one after the other: 3000, not 6000
            ("llama-swap", "llama-swap-1"): [(3.0, 2.9, 3000)],
            ("llama-swap", "llama-swap-2"): [(2.8, 2.7, 3000)],
            # two pods that overlap: 1100 + 900
            ("immich", "immich-ml-1"): [(5.0, 4.0, 1100)],
            ("immich", "immich-ml-2"): [(4.5, 3.5, 900)],
            ("tts", "chatterbox-tts-1"): [(6.0, 5.9, 3900)],
            # outside the look-back
            ("android", "android-1"): [(9.0, 8.9, 5000)],
            # values that are no size between others
            ("frigate", "frigate-1"): [(2.5, 2.4, 1800), (2.4, 2.3, math.nan), (2.3, 2.2, -9000), (2.2, 2.1, 1e12)],
            # undeclared: one is here now, one is gone
            ("alien", "alien-1"): [(1.5, 1.4, 450)],
            ("alien", "alien-2"): [(1.45, 1.4, 100)],
            ("ghost", "ghost-1"): [(1.5, 1.4, 2500)],
        },
    )
    small = [("portal-stt", "speaches-1", 1400.0), ("alien", "alien-1", 50.0)]
    with prometheus(tmp_path, [dcgm(Card(used=1450)), gpu_pod_exporter(*small)]) as monitored:
        reading = monitored.read()
        assert reading.problems == ()
        seen = {"stt": 1400, "immich-ml": 2000, "frigate": 1800, "android-emulator": 0, "llama-swap": 3000, "tts": 3900}
        assert {tenant: mib(size) for tenant, size in reading.observed.items()} == seen
        assert mib(reading.others["t4"]) == 550
        assert [mib(resident.peak_bytes) for resident in reading.residents if not resident.tenant] == [450]
        assert [note for note in reading.notes if "ghost" in note]
        # days 6-5.9, 5-3.5, 3-2.9, 2.8-2.7, 2.5-2.4 and 1.5-1.4 of the seven
        assert abs(reading.covered_seconds - 2.0 * DAY) < 0.06 * DAY
        assert monitored.judge().safe
        assert monitored.read(lookback=0).observed["tts"] == 0
        assert mib(monitored.read(lookback=3 * DAY).observed["immich-ml"]) == 0


def test_a_peak_of_the_week_makes_the_plan_unsafe(tmp_path: Path) -> None:
    history(
        tmp_path,
        {
            ("llama-swap", "llama-swap-1"): [(6.9, 6.8, 7168)],
            ("tts", "chatterbox-tts-1"): [(0.5, 0.4, 4673)],
        },
    )
    with prometheus(tmp_path, pages()) as monitored:
        verdict = monitored.judge()
        assert not verdict.safe
        failed = {entry.name for entry in verdict.checks if not entry.passed}
        assert failed == {"over_budget", "floor_below_need", "no_room_when_all_wake"}
        assert mib(check(verdict, "over_budget").numbers["observed_bytes"]) == 7168
        assert mib(check(verdict, "floor_below_need").numbers["needed_bytes"]) == 4673 + 2048
        # Nobody holds anything: the peaks are found all the same.
        monitored.exporters.pages.update({page.job: page for page in (dcgm(Card(used=0)), gpu_pod_exporter())})
        (idle,) = wait_for(lambda: nobody(monitored.read()), what="a card that nobody uses")
        assert mib(idle.observed["llama-swap"]) == 7168


def nobody(reading: Reading) -> list[Reading]:
    return [] if reading.problems or reading.residents else [reading]


def test_deployments_of_a_namespace_are_told_apart_in_history(tmp_path: Path) -> None:
    base = {"mode": "warm", "peak": "2Gi", "namespace": "voice"}
    # A pod `b-a-1` may be one of `b` and one of `b-a`: the first that is declared has it.
    names = {"t1": "a", "t2": "b-a", "t3": "b"}
    shared = {
        "cards": [{"name": "t4"}],
        "tenants": [
            {**base, "name": tenant, "target": {"kind": "Deployment", "name": name}} for tenant, name in names.items()
        ],
    }
    spans = {"a-1-1": 1000.0, "b-a-1": 1200.0, "b-1-1": 1300.0, "ab-1-1": 700.0, "other": 700.0}
    history(tmp_path, {("voice", pod): [(2.0, 1.9, size)] for pod, size in spans.items()})
    with prometheus(tmp_path, [dcgm(Card(used=100)), gpu_pod_exporter(("voice", "other", 90.0))]) as monitored:
        reading = monitored.read(shared)
        assert reading.problems == ()
        found = {tenant: mib(size) for tenant, size in reading.observed.items()}
        assert found == {"t1": 1000, "t2": 1200, "t3": 1300}
        assert mib(reading.others["t4"]) == 1400


def test_a_shared_namespace_is_told_apart_in_history(tmp_path: Path) -> None:
    deployment = {"kind": "Deployment"}
    base = {"mode": "warm", "peak": "2Gi", "namespace": "voice"}
    shared = {
        "cards": [{"name": "t4"}],
        "tenants": [
            {**base, "name": "tts", "target": {**deployment, "name": "tts"}},
            {**base, "name": "long", "target": {**deployment, "name": "tts-long"}},
            {**base, "name": "first", "pods": 'x-(?:a|"|\\d)+'},
            {**base, "name": "second", "pods": "x-.+"},
        ],
    }
    spans = {
        "tts-7d9f8c-abcde": 1000.0,
        "tts-long-7d9f8c-abcde": 1100.0,
        "x-a": 1200.0,
        "x-b": 1300.0,
        "other-1": 1400.0,
    }
    history(tmp_path, {("voice", pod): [(2.0, 1.9, size)] for pod, size in spans.items()})
    with prometheus(tmp_path, [dcgm(Card(used=100)), gpu_pod_exporter(("voice", "other-1", 90.0))]) as monitored:
        reading = monitored.read(shared)
        assert reading.problems == ()
        assert {tenant: mib(size) for tenant, size in reading.observed.items()} == {
            "tts": 1000,
            "long": 1100,
            "first": 1200,
            "second": 1300,
        }
        assert mib(reading.others["t4"]) == 1400


def test_the_plan_of_the_t4_safe_and_unsafe(monitor: Callable[..., Monitored]) -> None:
    monitored = monitor(*pages())
    assert monitored.judge().safe
    unsafe = monitored.judge(with_tenant("tts", floor="5Gi"))
    assert [entry.name for entry in unsafe.checks if not entry.passed] == ["floor_below_need"]


# --- PromQL


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    with prometheus(tmp_path_factory.mktemp("empty"), []) as monitored:
        wait_for(lambda: monitored.ask("vector(1)"), what="a Prometheus that answers")
        yield monitored


HOSTILE = [
    'x"} or vector(0) #',
    "a\\",
    'a\\"',
    "a\nb",
    ".*",
    "(",
    "[",
    "é\u2028",
    "{{ x }}",
    "'",
    "`",
    "$1",
    "x" * 5000,
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_leaves_its_literal(empty: Monitored, name: str) -> None:
    sources = [
        Source(profile, (profile.resident, f"{name}_{profile.resident}"), labels, (name, "other"))
        for profile in PROFILES
        if profile.resident
        for labels in ((), (("namespace", "pod"),))
    ]
    claims = [Claim(name, name if name[0] not in "([" else "space", 'a"b\\.c|d+'), Claim("rest", "space", None)]
    claims.append(Claim(name, "targets", re.escape(name), name))
    for promql in (history_query(sources, claims, 3600), facts(PROFILES, [name, "up"])):
        answer = parse_vector(empty.client.query(promql, time=None, lookback_delta=60))
        assert answer == ()


@pytest.mark.parametrize("lookback", [1, 59, 3600, 7 * DAY])
def test_every_look_back_is_a_valid_question(empty: Monitored, lookback: int) -> None:
    sources = [Source(profile, (profile.resident,), ()) for profile in PROFILES if profile.resident]
    for promql in (current(PROFILES), history_query(sources, parse_plan(plan()).claims(), lookback)):
        assert parse_vector(empty.client.query(promql, time=None, lookback_delta=None)) == ()
