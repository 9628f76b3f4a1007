"""Official downloads, verified before anything is installed."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import requests

from dev.cluster.catalog import Tool
from dev.cluster.errors import ClusterError

_TIMEOUT = (3.0, 30.0)
"""Seconds to connect, and seconds of silence while reading: some machines cannot reach the sites at all."""


class DownloadRefused(ClusterError):
    """What arrived is not what the checksum promises."""


class Downloader:
    """Fetches programs; a host that did not answer once is not asked again."""

    def __init__(self, session: requests.Session | None = None) -> None:
        self._session = session or requests.Session()
        self._unreachable: dict[str, str] = {}

    def fetch(self, tool: Tool, platform: str, target: Path) -> None:
        """Write the verified program to `target`; raises ClusterError with the reason where it cannot."""
        system, arch = platform.split("-")
        fill = {"version": tool.version, "os": system, "arch": arch}
        url = tool.download.url.format(**fill)
        expected = tool.download.digests.get(platform) or self._published(tool, fill)
        body = target.with_name(target.name + ".download")
        try:
            actual = self._save(url, body)
            if actual != expected:
                raise DownloadRefused(f"{url} has SHA-256 {actual}, expected {expected}: refused")
            if tool.download.member is None:
                body.replace(target)
            else:
                _extract(body, tool.download.member.format(**fill), target)
        finally:
            body.unlink(missing_ok=True)

    def _published(self, tool: Tool, fill: dict[str, str]) -> str:
        if tool.download.checksum_url is None:
            raise ClusterError(f"no checksum of {tool.name} {tool.version} is known for {fill['os']}-{fill['arch']}")
        url = tool.download.checksum_url.format(**fill)
        words = self._get(url).text.split()
        if not words or len(words[0]) != hashlib.sha256().digest_size * 2:
            raise DownloadRefused(f"{url} does not hold a SHA-256")
        return words[0].lower()

    def _save(self, url: str, path: Path) -> str:
        digest = hashlib.sha256()
        with self._get(url) as response, path.open("wb") as file:
            try:
                for chunk in response.iter_content(1 << 20):
                    digest.update(chunk)
                    file.write(chunk)
            except requests.RequestException as error:
                raise ClusterError(f"{url} broke off: {_cause(error)}") from error
        return digest.hexdigest()

    def _get(self, url: str) -> requests.Response:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise ClusterError(self._unreachable[host])
        try:
            response = self._session.get(url, stream=True, timeout=_TIMEOUT)
        except requests.RequestException as error:
            self._unreachable[host] = f"{host} cannot be reached ({_cause(error)})"
            raise ClusterError(self._unreachable[host]) from error
        if response.status_code != requests.codes.ok:
            response.close()
            raise ClusterError(f"{url} answers {response.status_code}")
        return response


def _cause(error: BaseException) -> str:
    """Name the innermost reason instead of the library's nested text."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__


def _extract(archive: Path, member: str, target: Path) -> None:
    with tarfile.open(archive) as tar:
        source = tar.extractfile(member)
        if source is None:
            raise DownloadRefused(f"{member} in the archive is no file")
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
