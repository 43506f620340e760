"""The AWS CLI's s3 commands, unmodified: it cuts large files into parts by itself."""

import os
import shutil
import subprocess
import urllib.request

import pytest

from s3_help import server  # noqa: F401

pytestmark = pytest.mark.skipif(not shutil.which("aws"), reason="needs the AWS CLI")
SIZE = 30 * 1024 * 1024


@pytest.fixture
def aws(server, tmp_path):
    # Some versions presign in the form of before 2014 unless told otherwise.
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "000000000000",
                   "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1",
                   "AWS_CONFIG_FILE": str(config)}

    def run(*arguments):
        done = subprocess.run(
            ["aws", "--endpoint-url", server.url, *map(str, arguments)], env=environment,
            capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


def test_files_and_folders(server, aws, tmp_path):
    name = "cli-" + server.url.rsplit(":", 1)[1]
    aws("s3", "mb", f"s3://{name}")
    assert name in aws("s3", "ls")
    large = tmp_path / "large"
    large.write_bytes(os.urandom(SIZE))
    aws("s3", "cp", large, f"s3://{name}/large", "--no-progress")
    assert '"MultipartUpload"' not in aws("s3api", "list-multipart-uploads", "--bucket", name)
    assert "-4" in aws("s3api", "head-object", "--bucket", name, "--key", "large",
                       "--query", "ETag")  # four parts
    aws("s3", "cp", f"s3://{name}/large", tmp_path / "back", "--no-progress")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    folder = tmp_path / "folder"
    (folder / "deep er").mkdir(parents=True)
    for n in range(12):
        (folder / "deep er" / f"{n} ü.txt").write_text(str(n))
    aws("s3", "sync", folder, f"s3://{name}/f", "--no-progress")
    assert aws("s3", "sync", folder, f"s3://{name}/f", "--no-progress") == ""  # nothing to do
    assert len(aws("s3", "ls", "--recursive", f"s3://{name}/f").splitlines()) == 12
    (folder / "deep er" / "0 ü.txt").unlink()
    aws("s3", "sync", "--delete", folder, f"s3://{name}/f", "--no-progress")
    aws("s3", "mv", f"s3://{name}/f/deep er/1 ü.txt", f"s3://{name}/moved", "--no-progress")
    url = aws("s3", "presign", f"s3://{name}/moved").strip()
    assert urllib.request.urlopen(url).read() == b"1"
    aws("s3", "rb", f"s3://{name}", "--force")
    assert name not in aws("s3", "ls")
