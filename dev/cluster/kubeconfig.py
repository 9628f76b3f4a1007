"""Kubeconfig files with a bearer token and the cluster's own certificate authority."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from dev.cluster.layout import write
from dev.cluster.pki import Pki


def write_kubeconfig(path: Path, *, server: str, user: str, pki: Pki) -> None:
    """Write a kubeconfig that stands alone (no file beside it is needed), readable by its owner only."""
    authority = base64.b64encode(pki.authority.read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": pki.token(user)}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        "current-context": "local",
    }
    write(path, yaml.safe_dump(config, sort_keys=False), mode=0o600)
