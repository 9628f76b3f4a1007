"""The command of each component, whom it waits for, and how it shows that it is ready."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster import health
from dev.cluster.component import Component
from dev.cluster.layout import Layout
from dev.cluster.options import Options
from dev.cluster.pki import Pki
from dev.cluster.ports import LOOPBACK
from dev.cluster.real_node import RealNode


@dataclass(frozen=True)
class Plant:
    """Builds the components of one cluster from its folder, its ports and its programs."""

    layout: Layout
    pki: Pki
    ports: Mapping[str, int]
    programs: Mapping[str, Path]
    options: Options

    def url(self, name: str, scheme: str = "http") -> str:
        """Return the address of a component."""
        return f"{scheme}://{self.options.address}:{self.ports[name]}"

    def config(self, name: str) -> Path:
        """Return a configuration file of this cluster."""
        return self.layout.config / name

    def components(self) -> list[Component]:
        """Return all components in the order of a start."""
        return [
            self._prometheus(),  # first, for it makes its first scrape 5 s after its start
            self._card(),
            self._etcd(),
            self._apiserver(),
            self._controller_manager(),
            self._scheduler(),
            *(RealNode(self).components() if self.options.real_node else [self._kwok()]),
        ]

    def _etcd(self) -> Component:
        client, peer = self.url("etcd"), self.url("etcd-peer")
        argv = (
            str(self.programs["etcd"]),
            "--name=local",
            f"--data-dir={self.layout.data / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=local={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        return Component("etcd", argv, client, lambda: health.is_ok(f"{client}/health"))

    def _apiserver(self) -> Component:
        url = self.url("kube-apiserver", "https")
        argv = (
            str(self.programs["kube-apiserver"]),
            f"--etcd-servers={self.url('etcd')}",
            f"--bind-address={self.options.address}",
            f"--advertise-address={self.options.address}",
            f"--secure-port={self.ports['kube-apiserver']}",
            f"--tls-cert-file={self.pki.certificate}",
            f"--tls-private-key-file={self.pki.key}",
            f"--client-ca-file={self.pki.authority}",  # the controllers look it up in the cluster
            f"--token-auth-file={self.pki.tokens}",
            "--authorization-mode=Node,RBAC",
            f"--service-account-key-file={self.pki.service_accounts}",
            f"--service-account-signing-key-file={self.pki.service_accounts}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged",
            *self._node_access(),
        )
        header = {"Authorization": f"Bearer {self.pki.token('admin')}"}
        return Component(
            "kube-apiserver",
            argv,
            url,
            lambda: health.is_ok(f"{url}/readyz", headers=header, verify=self.pki.authority),
            after=("etcd",),
            inputs=(self.pki.certificate, self.pki.tokens, self.pki.service_accounts),
        )

    def _node_access(self) -> tuple[str, ...]:
        if not self.options.real_node:
            return ("--endpoint-reconciler-type=none",)  # it would complain about the loopback address for ever
        return (
            f"--kubelet-client-certificate={self.pki.client}",
            f"--kubelet-client-key={self.pki.client_key}",
            "--kubelet-preferred-address-types=InternalIP",
        )

    def _controller_manager(self) -> Component:
        return self._controller(
            "kube-controller-manager",
            f"--service-account-private-key-file={self.pki.service_accounts}",
            f"--root-ca-file={self.pki.authority}",
            "--use-service-account-credentials",
            "--kube-api-qps=1000",  # it makes an account per controller first: 4 s at the default of 20
            "--kube-api-burst=2000",
        )

    def _scheduler(self) -> Component:
        return self._controller("kube-scheduler")

    def _controller(self, name: str, *extra: str) -> Component:
        url, kubeconfig = self.url(name, "https"), self.layout.secrets / f"{name}.kubeconfig"
        argv = (
            str(self.programs[name]),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={self.options.address}",
            f"--secure-port={self.ports[name]}",
            f"--tls-cert-file={self.pki.certificate}",
            f"--tls-private-key-file={self.pki.key}",
            "--leader-elect=false",
            *extra,
        )
        return Component(
            name,
            argv,
            url,
            lambda: health.is_ok(f"{url}/healthz", verify=self.pki.authority),
            after=("kube-apiserver",),
            inputs=(kubeconfig, self.pki.certificate),
        )

    def _kwok(self) -> Component:
        address, stages = f"{LOOPBACK}:{self.ports['kwok']}", self.config("stages.yaml")
        argv = (
            str(self.programs["kwok"]),
            f"--kubeconfig={self.layout.kubeconfig}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--node-ip=192.0.2.10",  # an address for documentation: nobody can reach a node that is none
            f"--server-address={address}",
        )
        return Component(
            "kwok",
            argv,
            f"http://{address}",
            lambda: health.is_ok(f"http://{address}/healthz"),
            after=("kube-apiserver",),
            inputs=(self.layout.kubeconfig, stages),
        )

    def _card(self) -> Component:
        url = self.url("card")
        argv = (
            sys.executable,
            "-m",
            "dev.card",
            f"--kubeconfig={self.layout.kubeconfig}",
            f"--scenario={self.options.scenario}",
            f"--listen={self.options.address}:{self.ports['card']}",
        )
        return Component(
            "card",
            argv,
            url,
            lambda: health.is_ok(f"{url}/healthz"),
            inputs=(self.layout.kubeconfig, self.options.scenario),
        )

    def _prometheus(self) -> Component:
        url, config = self.url("prometheus"), self.config("prometheus.yml")
        argv = (
            str(self.programs["prometheus"]),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.layout.data / 'prometheus'}",
            "--storage.tsdb.retention.time=30d",
            f"--web.listen-address={url.removeprefix('http://')}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        )
        return Component("prometheus", argv, url, lambda: health.is_ok(f"{url}/-/ready"), inputs=(config,))
