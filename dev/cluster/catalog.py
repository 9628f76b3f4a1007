"""The programs of the cluster: which versions fit, and where each comes from.

A committed SHA-256 stands behind a download wherever `digests` has one. The Kubernetes project
publishes a checksum beside each binary only (`<url>.sha256`); those are fetched over TLS from the
same host, so they guard against a broken transfer and not against a changed host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Download:
    """An official binary; `url`, `member` and `checksum_url` may name {version}, {os} and {arch}."""

    url: str
    member: str | None = None
    """Path inside the .tar.gz, or None where the URL is the program itself."""
    checksum_url: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of what the URL serves, by `<os>-<arch>`."""


@dataclass(frozen=True)
class GoSource:
    """A package that one of the modules under dev/go pins; go.sum stands behind it."""

    module: str
    package: str
    ldflags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A program: the pinned version, and which others are as good when they are found on the machine."""

    name: str
    version: str
    at_least: Version
    below: Version
    download: Download
    go: GoSource

    def fits(self, version: Version) -> bool:
        """Tell whether a program that is already here may be used."""
        return self.at_least <= version < self.below


KUBERNETES = "1.36.3"
_KUBE_LDFLAGS = (
    f"-X=k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
    "-X=k8s.io/component-base/version.gitMajor=1",
    "-X=k8s.io/component-base/version.gitMinor=36",
)


def _kube(name: str) -> Tool:
    url = f"https://dl.k8s.io/release/v{{version}}/bin/{{os}}/{{arch}}/{name}"
    return Tool(
        name=name,
        version=KUBERNETES,
        at_least=(1, 36, 0),
        below=(1, 37, 0),
        download=Download(url=url, checksum_url=f"{url}.sha256"),
        go=GoSource("kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBE_LDFLAGS),
    )


def _prometheus(name: str) -> Tool:
    return Tool(
        name=name,
        version="3.15.0",
        at_least=(2, 42, 0),  # both majors are in use among the users of the collection
        below=(4, 0, 0),
        download=Download(
            url="https://github.com/prometheus/prometheus/releases/download/v{version}/"
            "prometheus-{version}.{os}-{arch}.tar.gz",
            member=f"prometheus-{{version}}.{{os}}-{{arch}}/{name}",
            digests={
                "linux-amd64": "2a542df32eac02ee17b9d844fb2aa1de00dafa5476579ba8a3ba862e9d572ea0",
                "linux-arm64": "f1f90ec08e849d494ca66c611470afc50192f0355f1a61c33f2cbde02d067823",
            },
        ),
        go=GoSource(
            "prometheus",
            f"github.com/prometheus/prometheus/cmd/{name}",
            ("-X=github.com/prometheus/common/version.Version=3.15.0",),
        ),
    )


_ETCD = Tool(
    name="etcd",
    version="3.6.14",
    at_least=(3, 6, 0),
    below=(4, 0, 0),
    download=Download(
        url="https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-{os}-{arch}.tar.gz",
        member="etcd-v{version}-{os}-{arch}/etcd",
        digests={
            "linux-amd64": "ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5",
            "linux-arm64": "fa1b80565ee6fc2df1ae6f57a508b221f3ecc7d591c317c581cd8281b0842b3e",
        },
    ),
    go=GoSource("kubernetes", "go.etcd.io/etcd/server/v3"),
)
_KWOK = Tool(
    name="kwok",
    version="0.8.0",
    at_least=(0, 8, 0),
    below=(0, 9, 0),
    download=Download(
        url="https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/kwok-{os}-{arch}",
        digests={
            "linux-amd64": "f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46",
            "linux-arm64": "628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37",
        },
    ),
    go=GoSource("kwok", "sigs.k8s.io/kwok/cmd/kwok", ("-X=sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0",)),
)

TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        _ETCD,
        _kube("kube-apiserver"),
        _kube("kube-controller-manager"),
        _kube("kube-scheduler"),
        _kube("kubelet"),
        _kube("kube-proxy"),
        _KWOK,
        _prometheus("prometheus"),
        _prometheus("promtool"),
    )
}
