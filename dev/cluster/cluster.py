"""Up, down and status of one cluster: each `up` compares what runs with what is wanted and mends the difference."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from dev.cluster import bootstrap, interrupts, process
from dev.cluster.catalog import TOOLS
from dev.cluster.component import PORTS
from dev.cluster.download import Downloader
from dev.cluster.errors import ClusterError, PortTaken
from dev.cluster.gobuild import GoBuilder
from dev.cluster.kubeconfig import write_kubeconfig
from dev.cluster.layout import Layout, write
from dev.cluster.locking import exclusive
from dev.cluster.options import Options
from dev.cluster.pki import USERS, Pki
from dev.cluster.plant import Plant
from dev.cluster.ports import choose
from dev.cluster.progress import Progress
from dev.cluster.real_node import bring_images
from dev.cluster.resolver import Resolver
from dev.cluster.scrape import prometheus_config
from dev.cluster.supervisor import Supervisor
from dev.node.home import load

_STAGES = Path(__file__).parent / "stages"
_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "prometheus")
_NODE_PROGRAMS = ("kubelet", "kube-proxy")
_PORT_ATTEMPTS = 3


class Cluster:
    """The cluster of one folder."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self.layout = Layout(root)
        self._progress = progress
        self._supervisor = Supervisor(self.layout, progress)

    def up(self, options: Options) -> None:
        """Make the cluster run; whatever fails or interrupts the start takes down what was started."""
        if options.real_node:
            load()  # refuses outside of the namespaces
        if not options.scenario.is_file():
            raise ClusterError(f"there is no scenario file {options.scenario}: name one with --scenario")
        found = programs(options, self._progress)
        with exclusive(self.layout.lock, self._progress, "works on this cluster"):
            self._clean()
            self.layout.create()
            try:
                self._start(options, found)
            except BaseException:
                self._progress.say("the start did not succeed: stopping what was started")
                self._stop()
                raise

    def down(self) -> None:
        """Stop everything and remove the data; the logs stay."""
        if not self.layout.root.exists():
            orphans = self._supervisor.stop_strays()  # somebody may have removed the folder of a running cluster
            self._progress.say(f"there is no cluster in {self.layout.root}; {orphans} processes of one were stopped")
            return
        with exclusive(self.layout.lock, self._progress, "works on this cluster"):
            self._stop()
            for path in (self.layout.data, self.layout.tmp, self.layout.run, self.layout.secrets, self.layout.config):
                shutil.rmtree(path, ignore_errors=True)
            self.layout.kubeconfig.unlink(missing_ok=True)
            self.layout.env.unlink(missing_ok=True)
        self._progress.say(f"stopped; the logs are in {self.layout.logs}")

    def _clean(self) -> None:
        """Remove what an interrupted start or another boot left behind."""
        strays = self._supervisor.stop_strays()
        if strays:
            self._progress.say(f"stopped {strays} processes that an interrupted start had left")
        boots = {record.process.boot for record in self.layout.records().values()}
        if boots - {process.boot_id()}:  # etcd does not sync to the disk: its data did not survive that
            self._progress.say("the machine was restarted since the last start: beginning with an empty cluster")
            for path in (self.layout.data, self.layout.run):
                shutil.rmtree(path, ignore_errors=True)

    def _start(self, options: Options, programs: dict[str, Path]) -> None:
        plant, started = self._run(options, programs)
        if options.real_node:
            bring_images()
            bootstrap.equip_node(self.layout.kubeconfig)
        else:
            bootstrap.ensure_nodes(self.layout.kubeconfig)
        bootstrap.wait_usable(self.layout.kubeconfig)
        bootstrap.wait_samples(plant.url("prometheus"), options.exporters)
        interrupts.check()
        self._write_env(plant, options)
        self._progress.say("already up" if not started else f"up: `. {self.layout.env}` for the addresses")

    def _run(self, options: Options, programs: dict[str, Path]) -> tuple[Plant, int]:
        """Start what is missing; between the choice of a port and the use of it somebody may take it: then again."""
        attempts = _PORT_ATTEMPTS
        while True:
            plant = self._plant(options, programs)
            try:
                return plant, self._supervisor.start(plant.components())
            except PortTaken as taken:
                attempts -= 1
                if not attempts:
                    raise
                self._progress.say(f"somebody took a port of {taken.component}: choosing another")
                ports = self.layout.ports().items()
                self.layout.remember_ports({name: port for name, port in ports if name not in PORTS[taken.component]})

    def _plant(self, options: Options, programs: dict[str, Path]) -> Plant:
        """Choose ports and write the files that the components read."""
        records = self.layout.records()
        running = [name for name in PORTS if name in records and process.is_running(records[name].process)]
        names = [port for ports in PORTS.values() for port in ports]
        in_use = [port for name in running for port in PORTS[name]]
        ports = choose(self.layout.ports(), names, in_use=in_use, address=options.address)
        self.layout.remember_ports(ports)
        pki = Pki(self.layout.secrets, options.address)
        pki.create()
        plant = Plant(self.layout, pki, ports, programs, options)
        server = plant.url("kube-apiserver", "https")
        write_kubeconfig(self.layout.kubeconfig, server=server, user="admin", pki=pki)
        for user in USERS:
            path = self.layout.secrets / f"{user.rpartition(':')[2]}.kubeconfig"
            write_kubeconfig(path, server=server, user=user, pki=pki)
        stages = (path.read_text(encoding="utf-8") for path in sorted(_STAGES.glob("*.yaml")))
        write(plant.config("stages.yaml"), "---\n".join(stages))
        scrape = prometheus_config(
            options.exporters,
            card=f"{options.address}:{ports['card']}",
            interval=options.scrape_interval,
            honor_labels=options.honor_labels,
        )
        write(plant.config("prometheus.yml"), scrape)
        return plant

    def _write_env(self, plant: Plant, options: Options) -> None:
        values = {
            "KUBECONFIG": str(self.layout.kubeconfig),
            "PROMETHEUS_URL": plant.url("prometheus"),
            "CARD_URL": plant.url("card"),
        }
        if options.real_node:
            values["PYTHON_IMAGE"] = load().image
        lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
        write(self.layout.env, "\n".join([*lines, f"export {' '.join(values)}", ""]))

    def _stop(self) -> None:
        self._supervisor.stop_strays()
        self._supervisor.stop(self.layout.records())


def programs(options: Options, progress: Progress) -> dict[str, Path]:
    """Return the programs by name, fetched or built where they are not there yet (minutes, once for a machine)."""
    resolver = Resolver(progress, Downloader(), GoBuilder(progress, go=shutil.which("go")))
    names = (*_PROGRAMS, *(_NODE_PROGRAMS if options.real_node else ("kwok",)))
    return {name: resolver.resolve(TOOLS[name]).path for name in names}
