"""Certificates and keys for tests, made by the openssl program."""

import pathlib
import subprocess
import tempfile

RSA = ("-newkey", "rsa:2048")
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True,
                          text=True).stdout


class Certificate:
    """One with its private key; `issuer` signs it, or it does that itself."""

    def __init__(self, name, *, names=(), issuer=None, key=P256, days=30, subject=None,
                 usage=None, extended=None):
        more = []
        if names:
            more += ["-addext", "subjectAltName=" + ",".join("DNS:" + n for n in names)]
        if usage:
            more += ["-addext", "keyUsage=" + usage]
        if extended:
            more += ["-addext", "extendedKeyUsage=" + extended]
        with tempfile.TemporaryDirectory() as d:
            if issuer:
                pathlib.Path(d, "ca").write_text(issuer.pem)
                pathlib.Path(d, "cakey").write_text(issuer.key)
                more += ["-CA", f"{d}/ca", "-CAkey", f"{d}/cakey"]
            self.pem = openssl("req", "-x509", *key, "-nodes", "-keyout", f"{d}/key", "-days",
                               str(days), "-subj", subject or "/CN=" + name, *more)
            self.key = pathlib.Path(d, "key").read_text()


def expired(name):
    """(certificate, key) of yesterday."""
    with tempfile.TemporaryDirectory() as d:
        request = openssl("req", "-new", *P256, "-nodes", "-keyout", f"{d}/key", "-subj",
                          "/CN=" + name)
        pem = openssl("x509", "-req", "-signkey", f"{d}/key", "-days", "-1", data=request)
        return pem, pathlib.Path(d, "key").read_text()
