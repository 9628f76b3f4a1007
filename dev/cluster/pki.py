"""Keys, certificates and tokens of one throw-away cluster."""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dev.cluster.layout import write
from dev.cluster.ports import LOOPBACK
from dev.node.home import NAME

USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
    f"system:node:{NAME}": "system:nodes",
}
"""User names of the token file, each with its group; the API server binds roles to the system users itself."""

_ADMINISTRATOR = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
        x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver-kubelet-client"),
    ]
)
"""How the API server shows itself to kubelets."""

_LIFETIME = datetime.timedelta(days=365)


class Pki:
    """Files below one folder; what exists already is kept."""

    def __init__(self, folder: Path, address: str = LOOPBACK) -> None:
        self._address = address
        self.authority = folder / "ca.crt"
        self.certificate = folder / "apiserver.crt"
        self.key = folder / "apiserver.key"
        self.client = folder / "kubelet-client.crt"
        self.client_key = folder / "kubelet-client.key"
        self.service_accounts = folder / "service-accounts.key"
        self.tokens = folder / "tokens.csv"

    def create(self) -> None:
        """Write whatever is missing."""
        if not self.certificate.exists():
            self._issue()
        if not self.service_accounts.exists():
            _save_key(self.service_accounts, ec.generate_private_key(ec.SECP256R1()))
        if not self.tokens.exists():
            lines = [f'{secrets.token_hex(16)},{user},{user},"{group}"' for user, group in USERS.items()]
            write(self.tokens, "\n".join(lines) + "\n", mode=0o600)

    def token(self, user: str) -> str:
        """Return the bearer token of a user."""
        rows = (line.split(",") for line in self.tokens.read_text(encoding="ascii").splitlines())
        return next(row[0] for row in rows if row[1] == user)

    def _issue(self) -> None:
        issuer_key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local-cluster-ca")])
        issuer_id = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
        authority = (
            _builder(issuer, issuer, issuer_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(sign_certificates=True), critical=True)
            .add_extension(issuer_id, critical=False)
            .sign(issuer_key, hashes.SHA256())
        )
        write(self.authority, authority.public_bytes(serialization.Encoding.PEM).decode())
        names = [x509.IPAddress(ipaddress.ip_address(ip)) for ip in sorted({LOOPBACK, "10.96.0.1", self._address})]
        hosts = [x509.DNSName(host) for host in ("localhost", "kubernetes", "kubernetes.default.svc")]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
        server = x509.SubjectAlternativeName([*names, *hosts])
        sign = partial(_leaf, issuer, issuer_key, issuer_id)
        _save(self.client, self.client_key, *sign(_ADMINISTRATOR, ExtendedKeyUsageOID.CLIENT_AUTH))
        # Last, for its presence says that all are there.
        _save(self.certificate, self.key, *sign(subject, ExtendedKeyUsageOID.SERVER_AUTH, server))


def _leaf(
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer_id: x509.SubjectKeyIdentifier,
    subject: x509.Name,
    purpose: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName | None = None,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()), key


def _save(path: Path, key_path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _save_key(key_path, key)
    write(path, certificate.public_bytes(serialization.Encoding.PEM).decode())


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    """Return what a key is for: certificates of others, or connections."""
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    write(path, pem.decode(), mode=0o600)
