"""A real node beside the control plane: containerd, the kubelet and kube-proxy, and what they read.

It runs inside the namespaces of dev.node only, where the fixed paths below are its own.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dev.cluster import health
from dev.cluster.component import Component
from dev.cluster.errors import ClusterError
from dev.cluster.layout import write
from dev.node.home import ADDRESS, FOLDER, NAME, load
from dev.node.images import PAUSE
from dev.node.machine import cni_folder

if TYPE_CHECKING:
    from dev.cluster.plant import Plant

STATE = Path("/run/containerd")
SOCKET = STATE / "containerd.sock"
POD_NETWORK = "10.244.0.0/24"

CONTAINERD = """\
version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true # this machine may not lower scores below its own
  disable_apparmor = true # profiles are the machine's, not the namespaces'
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""

NETWORK: Mapping[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_NETWORK}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


class RealNode:
    """The components of the node of one cluster."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._cgroup = load().cgroup

    def components(self) -> list[Component]:
        """Write the files and return the components in the order of a start."""
        return [self._containerd(), self._kubelet(), self._kube_proxy()]

    def _containerd(self) -> Component:
        networks = self._plant.layout.config / "networks"
        networks.mkdir(exist_ok=True)
        write(networks / "pods.conflist", json.dumps(NETWORK))
        text = CONTAINERD.format(
            root=FOLDER / "containerd",
            state=STATE,
            socket=SOCKET,
            pause=PAUSE,
            plugins=cni_folder(),
            networks=networks,
        )
        config = self._plant.config("containerd.toml")
        write(config, text)
        argv = (str(shutil.which("containerd")), f"--config={config}", "--log-level=warn")
        return Component("containerd", argv, f"unix://{SOCKET}", _containerd_answers, inputs=(config,), marked=False)

    def _kubelet(self) -> Component:
        kubeconfig = self._plant.layout.secrets / f"{NAME}.kubeconfig"
        config = self._plant.config("kubelet.yaml")
        write(config, yaml.safe_dump(self.kubelet_configuration()))
        argv = (
            str(self._plant.programs["kubelet"]),
            f"--config={config}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={FOLDER / 'kubelet'}",
            f"--cert-dir={FOLDER / 'kubelet-pki'}",
            f"--hostname-override={NAME}",
            f"--node-ip={ADDRESS}",
            "--node-labels=nvidia.com/gpu.present=true",
        )
        url = self._plant.url("kubelet-health")
        return Component(
            "kubelet",
            argv,
            url,
            lambda: health.is_ok(f"{url}/healthz"),
            after=("containerd", "kube-apiserver"),
            inputs=(config, kubeconfig),
        )

    def kubelet_configuration(self) -> dict[str, Any]:
        """Return what the kubelet reads: everything that it may change of the machine is turned off."""
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": ADDRESS,
            "port": self._plant.ports["kubelet"],
            "healthzBindAddress": ADDRESS,
            "healthzPort": self._plant.ports["kubelet-health"],
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self._plant.pki.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self._cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            "registerWithTaints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}],
            "resolvConf": "",
            # A machine with a full disk may still run tests.
            "evictionHard": {"memory.available": "16Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
        }

    def _kube_proxy(self) -> Component:
        kubeconfig = self._plant.layout.secrets / "kube-proxy.kubeconfig"
        config = self._plant.config("kube-proxy.yaml")
        url = self._plant.url("kube-proxy-health")
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "hostnameOverride": NAME,
            "clusterCIDR": POD_NETWORK,
            "healthzBindAddress": url.removeprefix("http://"),
            "metricsBindAddress": self._plant.url("kube-proxy-metrics").removeprefix("http://"),
            # The limit is the machine's, the time-outs may stay.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
        write(config, yaml.safe_dump(settings))
        argv = (str(self._plant.programs["kube-proxy"]), f"--config={config}")
        return Component(
            "kube-proxy",
            argv,
            url,
            lambda: health.is_ok(f"{url}/healthz"),
            # It reads its node once, and without one it takes the first address that it finds.
            after=("kubelet",),
            inputs=(config, kubeconfig),
        )


def bring_images() -> None:
    """Give containerd the images; it keeps those that it has."""
    command = ["ctr", f"--address={SOCKET}", "--namespace=k8s.io", "images"]
    home = load()
    name, _, digest = home.image.rpartition("@")
    repository = name.rpartition(":")[0]
    # A pod that names the digest is looked up without the tag.
    for arguments in (["import", home.archive], ["tag", "--force", name, f"{repository}@{digest}"]):
        done = subprocess.run(
            [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ClusterError(f"`ctr images {arguments[0]}` failed: {done.stderr.strip()}")


def _containerd_answers() -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(SOCKET))
        return True
    return False
