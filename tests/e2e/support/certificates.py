"""Certificates made on the spot."""

import base64
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)
_rsa_keys = []


def _key(kind):
    if kind == "rsa":
        # Making RSA keys is slow; a few are enough, tests compare serial numbers.
        if len(_rsa_keys) < 3:
            _rsa_keys.append(rsa.generate_private_key(public_exponent=65537, key_size=2048))
            return _rsa_keys[-1]
        _rsa_keys.append(_rsa_keys.pop(0))
        return _rsa_keys[-1]
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Pair:
    """A leaf: PEM of certificate chain and key, and the serial number."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self.serial = certificate.serial_number
        self.cert_pem = certificate.public_bytes(serialization.Encoding.PEM) + b"".join(
            c.public_bytes(serialization.Encoding.PEM) for c in chain
        )
        self.key_pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


class Authority:
    """A certificate authority of one test."""

    def __init__(self, name="test authority"):
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(name))
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 3650 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names, kind="ecdsa", days=90, start_days=-1):
        """A server certificate for the names (DNS or IP). Negative days: expired."""
        key = _key(kind)
        now = datetime.datetime.utcnow()
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        start = now + start_days * _DAY
        if days < 0:
            start = now + (days - 30) * _DAY
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + days * _DAY)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return Pair(certificate, key)


def broken_key(pem):
    """The private half changed, the public half as written: only arithmetic tells."""
    lines = pem.decode().strip().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[der.index(b"\x04\x20") + 2 + 31] ^= 1
    return "\n".join([lines[0], base64.b64encode(bytes(der)).decode(), lines[-1], ""]).encode()


def write_secret(directory, files):
    """One secret the way Kubernetes mounts it: files behind a `..data` link, swapped by rename.
    `files` maps key names to bytes, or is a Pair."""
    if isinstance(files, Pair):
        files = {"tls.crt": files.cert_pem, "tls.key": files.key_pem}
    os.makedirs(directory, exist_ok=True)
    generation = f"..gen_{os.urandom(6).hex()}"
    os.mkdir(os.path.join(directory, generation))
    for name, content in files.items():
        with open(os.path.join(directory, generation, name), "wb") as file:
            file.write(content)
    link = os.path.join(directory, "..data")
    former = os.readlink(link) if os.path.islink(link) else None
    os.symlink(generation, link + "_tmp")
    os.rename(link + "_tmp", link)
    for name in files:
        path = os.path.join(directory, name)
        if not os.path.islink(path):
            os.symlink(os.path.join("..data", name), path)
    for name in os.listdir(directory):
        if not name.startswith("..") and name not in files:
            os.unlink(os.path.join(directory, name))
    if former:
        for name in os.listdir(os.path.join(directory, former)):
            os.unlink(os.path.join(directory, former, name))
        os.rmdir(os.path.join(directory, former))
