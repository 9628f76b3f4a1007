# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that the modules share: how to reach Prometheus."""

from __future__ import annotations


class ModuleDocFragment:
    """The connection options, named as those of M(ansible.builtin.uri)."""

    DOCUMENTATION = r"""
options:
  prometheus_url:
    description:
      - Address of Prometheus, or of what speaks its query API (Thanos, Mimir, VictoriaMetrics).
      - With the path prefix and without C(/api/v1).
      - Redirects are followed on the same server only; one that leads elsewhere is an error.
      - The proxies of the environment (E(HTTP_PROXY), E(HTTPS_PROXY), E(NO_PROXY)) are used; C(.netrc) is not.
    type: str
    required: true
  bearer_token:
    description: Token to send in the header C(Authorization).
    type: str
  url_username:
    description: User name for basic authentication.
    type: str
  url_password:
    description: Password for basic authentication.
    type: str
  headers:
    description:
      - Headers to send with each request, such as C(X-Scope-OrgID).
      - Their values are kept out of logs and results.
    type: dict
  ca_path:
    description:
      - PEM file, on the host that runs the module, with the authorities to trust for TLS.
      - Where it is left out, those in E(REQUESTS_CA_BUNDLE), or else those that the Python library requests knows.
    type: path
  client_cert:
    description: PEM file with the certificate to show to the server; it may hold the key as well.
    type: path
  client_key:
    description: PEM file with the unencrypted key of O(client_cert).
    type: path
  validate_certs:
    description: Whether the server must prove by TLS who it is.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that each request may take from the look-up of the name to the last byte.
      - Prometheus gives up on the query after the same time. There are at most three requests.
    type: int
    default: 10
requirements:
  - requests
"""
