"""Servers that are wrong below HTTP: nobody answers, or nobody that can be trusted."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.cluster.ports import LOOPBACK


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Return the address of somebody who takes connections and never says a word."""
    with socket.create_server((LOOPBACK, 0), backlog=64) as listener:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"


def certificate(folder: Path, *, address: str = LOOPBACK, days: int = 1) -> Path:
    """Write a certificate for an IP address that signs itself, and its key; ``days`` below 0: it has run out."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prometheus")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = folder / f"certificate-{address}-{days}.pem"
    path.write_bytes(key.private_bytes(*kinds) + built.public_bytes(serialization.Encoding.PEM))
    return path


@contextlib.contextmanager
def tls_server(path: Path) -> Iterator[str]:
    """Run a server with this certificate; what it answers does not matter, nobody may believe it."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients that break off are what this server is for."""

    server = Server((LOOPBACK, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield f"https://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
