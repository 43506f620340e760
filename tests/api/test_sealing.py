"""Secrets at rest: what the server's files and its process tell, and the file of keys."""
import os
import pathlib
import re
import subprocess

from certificates import RSA, Certificate
from conftest import GANTRY


def seal_file(server):
    return next(pathlib.Path(server.dir).rglob("seal.key"))


def bytes_on_disk(server):
    """All that the server wrote, its log included; without the file of keys."""
    return b"".join(p.read_bytes() for p in sorted(pathlib.Path(server.dir).rglob("*"))
                    if p.is_file() and p.name != "seal.key")


def store_secrets(server):
    server.client("secretsmanager").create_secret(Name="a", SecretString="geheim")
    server.client("ssm").put_parameter(Name="a", Value="geheim", Type="SecureString")


def check_secrets(server):
    assert server.client("secretsmanager").get_secret_value(SecretId="a")[
        "SecretString"] == "geheim"
    assert server.client("ssm").get_parameter(Name="a", WithDecryption=True)["Parameter"][
        "Value"] == "geheim"


def import_certificates(server, cert):
    server.client("acm").import_certificate(Certificate=cert.pem, PrivateKey=cert.key)
    server.client("iam").upload_server_certificate(
        ServerCertificateName="sealed", CertificateBody=cert.pem, PrivateKey=cert.key)


def test_private_keys_are_nowhere_in_clear(own_server):
    cert = Certificate("sealed.test", key=RSA)
    import_certificates(own_server, cert)
    assert "PRIVATE" in cert.key
    for _ in range(2):
        found = bytes_on_disk(own_server)
        assert b"sealed.test" not in cert.key.encode() and b"sealed:1:" in found
        for line in cert.key.split("\n")[1:-2]:  # a PEM text lies there with its \n escaped
            assert line.encode() not in found
        own_server.restart()


def test_the_key_file_is_the_servers_own(own_server):
    st = seal_file(own_server).stat()
    assert st.st_mode & 0o7777 == 0o600 and st.st_size == 32
    before = seal_file(own_server).read_bytes()
    own_server.restart()
    assert seal_file(own_server).read_bytes() == before


def start_fails(server):
    done = subprocess.run(
        [GANTRY, "server", "--data-dir", f"{server.dir}/data", "--run-dir", f"{server.dir}/run",
         "--listen", "127.0.0.1:0", *server.options], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_lost_key_file_is_said_at_the_start(own_server):
    import_certificates(own_server, Certificate("lost.test"))
    own_server.kill()
    key = seal_file(own_server).read_bytes()
    seal_file(own_server).unlink()
    text = start_fails(own_server)  # makes a new file, which does not open what is there
    assert re.search(r"sealed under the key [0-9a-f]{8}, which seal\.key of the data directory "
                     r"does not hold: put that file back from a backup", text)
    seal_file(own_server).write_bytes(key)
    own_server.start()


def test_a_new_key_is_added_at_the_end(own_server):
    import_certificates(own_server, Certificate("rotated.test"))
    store_secrets(own_server)
    marks = set(re.findall(rb"sealed:1:[0-9a-f]{8}", bytes_on_disk(own_server)))
    assert len(marks) == 1
    with open(seal_file(own_server), "ab") as f:
        f.write(os.urandom(32))
    own_server.restart()
    new = set(re.findall(rb"sealed:1:[0-9a-f]{8}", bytes_on_disk(own_server)))
    # All is sealed anew at the start, and what was there before is not left over.
    check_secrets(own_server)
    assert len(new) == 1 and not new & marks
    # So the old key may go.
    own_server.kill()
    seal_file(own_server).write_bytes(seal_file(own_server).read_bytes()[32:])
    own_server.start()
    check_secrets(own_server)


def test_the_server_leaves_no_core_file(own_server):
    proc = pathlib.Path(f"/proc/{own_server.process.pid}")
    assert re.search(r"Max core file size +0 +0 ", (proc / "limits").read_text())
    # What is not dumpable belongs to root in /proc, whoever it runs as.
    if os.getuid() == 0:
        assert re.search(r"^Uid:\t[1-9]", (proc / "status").read_text(), re.M)
        assert (proc / "environ").stat().st_uid == 0
