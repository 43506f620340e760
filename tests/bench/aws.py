"""aws.py: the smallest AWS client that signs (SigV4), because boto3's own milliseconds would
be measured as gantry's. One kept-alive connection; AWS JSON 1.1; and the registry's pushes."""
import datetime
import hashlib
import hmac
import http.client
import io
import json
import tarfile
import urllib.parse

SERVICES = {
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "dynamodb": "DynamoDB_20120810",
}


class ApiError(Exception):
    pass


class Client:
    def __init__(self, host, port, access_key, secret_key, region):
        self.host, self.port, self.region = host, port, region
        self.access_key, self.secret_key = access_key, secret_key
        self.connection = http.client.HTTPConnection(host, port, timeout=120)

    def _sign(self, service, method, path, query, headers, body):
        """Adds date and authorization; `query` is sorted and escaped already."""
        stamp = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
        headers.update({"host": f"{self.host}:{self.port}", "x-amz-date": stamp})
        names = ";".join(sorted(headers))
        canonical = f"{method}\n{path}\n{query}\n"
        canonical += "".join(f"{n}:{headers[n]}\n" for n in sorted(headers))
        canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{stamp[:8]}/{self.region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
        text += hashlib.sha256(canonical.encode()).hexdigest()
        key = ("AWS4" + self.secret_key).encode()
        for part in (stamp[:8], self.region, service, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={key.hex()}")
        return headers

    def signed(self, service, operation, body):
        """Headers and body of a call, ready to be sent, as often as the signature is valid."""
        data = json.dumps(body).encode()
        headers = {"content-type": "application/x-amz-json-1.1",
                   "x-amz-target": f"{SERVICES[service]}.{operation}"}
        return self._sign(service, "POST", "/", "", headers, data), data

    def stream(self, path, **query):
        """An open answer to a signed GET, on a connection of its own."""
        text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote)
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.request("GET", f"{path}?{text}", None,
                           self._sign("ecs", "GET", path, text, {}, b""))
        return connection, connection.getresponse()

    def raw(self, service, operation, body):
        """The bytes of a whole request, for load.c."""
        headers, data = self.signed(service, operation, body)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST / HTTP/1.1\r\n{head}content-length: {len(data)}\r\n\r\n".encode() + data

    def call(self, service_id, operation_name, **body):
        headers, data = self.signed(service_id, operation_name, body)
        try:
            self.connection.request("POST", "/", data, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            self.connection.close()
            self.connection.request("POST", "/", data, headers)
            answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            shown = text.decode(errors="replace")[:500]
            raise ApiError(f"{operation_name}: {answer.status} {shown}")
        return json.loads(text)

    def ecs(self, operation_name, **body):
        return self.call("ecs", operation_name, **body)

    def query(self, service, version, action, **parameters):
        """A call of the query protocol; its XML."""
        data = urllib.parse.urlencode(
            {"Action": action, "Version": version, **parameters}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        self.connection.request("POST", "/", data,
                                self._sign(service, "POST", "/", "", headers, data))
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise ApiError(f"{action}: {answer.status} {text[:500]}")
        return text

    def registry_login(self):
        data = self.call("ecr", "GetAuthorizationToken")["authorizationData"][0]
        return data["authorizationToken"]


class Registry:
    """Pushes over OCI Distribution; `token` is what follows "Basic", None for an open one."""

    def __init__(self, host, port, token):
        self.connection = http.client.HTTPConnection(host, port, timeout=600)
        self.headers = {"Authorization": f"Basic {token}"} if token else {}

    def request(self, method, path, body=None, wanted=(200, 201, 202), **headers):
        self.connection.request(method, path, body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in wanted:
            said = text.decode(errors="replace")[:500]
            raise ApiError(f"{method} {path}: {answer.status} {said}")
        return answer

    def upload_path(self, repository, digest):
        where = self.request("POST", f"/v2/{repository}/blobs/uploads/").getheader("Location")
        if "://" in where:
            where = "/" + where.split("://", 1)[1].split("/", 1)[1]
        return where + ("&" if "?" in where else "?") + "digest=" + digest

    def blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.request("PUT", self.upload_path(repository, digest), data,
                     **{"Content-Type": "application/octet-stream"})
        return digest

    def image(self, repository, tag, layer, entrypoint):
        """Pushes an image of one layer, a plain tar."""
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Entrypoint": entrypoint},
            "rootfs": {"type": "layers",
                       "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }).encode()
        oci = "application/vnd.oci.image."
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
            "config": {"mediaType": oci + "config.v1+json", "size": len(config),
                       "digest": self.blob(repository, config)},
            "layers": [{"mediaType": oci + "layer.v1.tar", "size": len(layer),
                        "digest": self.blob(repository, layer)}],
        }).encode()
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", manifest,
                     **{"Content-Type": oci + "manifest.v1+json"})


def layer_of(path, name):
    """A tar with one program and the folders that a container wants."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("proc", "sys", "dev", "etc", "tmp", "out"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        with open(path, "rb") as program:
            data = program.read()
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
