"""A small ECS control plane and registry in one, for the agent's tests.

It speaks what an agent needs and nothing else: RegisterContainerInstance,
DiscoverPollEndpoint, the stream of HostMessages, SubmitTaskStateChange, ECR's
GetAuthorizationToken, and the pull side of the OCI Distribution API with images made here
from a static busybox. Tests change the desired state and look at the reports.
"""
import base64
import ctypes
import gzip
import hashlib
import http.server
import io
import json
import os
import queue
import socket
import socketserver
import tarfile
import threading
import time
import urllib.parse

CLONE_NEWNET = 0x40000000
ACCOUNT, REGION, CLUSTER = '000000000000', 'us-east-1', 'default'
ARN = f'arn:aws:ecs:{REGION}:{ACCOUNT}'
INSTANCE = f'{ARN}:container-instance/{CLUSTER}/{"1" * 32}'
PASSWORD = 'let-me-in'


def in_netns(path, fn):
    """Runs fn in a thread that is in the network namespace; sockets made there stay there."""
    result = {}

    def work():
        fd = os.open(path, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), 'setns')
            result['value'] = fn()
        except BaseException as e:  # handed over to the caller
            result['error'] = e
        finally:
            os.close(fd)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if 'error' in result:
        raise result['error']
    return result['value']


# ---- images ----

class Image:
    """One gzip layer, a config and a manifest, addressable by tag and digest."""

    def __init__(self, files, architecture='amd64', **config):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode='w') as tar:
            for name, value in files:
                info = tarfile.TarInfo(name)
                info.mode = 0o755
                if value is None:
                    info.type = tarfile.DIRTYPE
                    tar.addfile(info)
                elif isinstance(value, str):
                    info.type, info.linkname = tarfile.SYMTYPE, value
                    tar.addfile(info)
                else:
                    info.size = len(value)
                    tar.addfile(info, io.BytesIO(value))
        layer = gzip.compress(raw.getvalue(), 1)
        diff_id = 'sha256:' + hashlib.sha256(raw.getvalue()).hexdigest()
        config = json.dumps({'os': 'linux', 'architecture': architecture, 'config': config,
                             'rootfs': {'type': 'layers', 'diff_ids': [diff_id]}}).encode()
        self.blobs = {self.digest_of(b): b for b in (layer, config)}
        self.manifest = json.dumps({
            'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
            'config': {'mediaType': 'application/vnd.oci.image.config.v1+json',
                       'digest': self.digest_of(config), 'size': len(config)},
            'layers': [{'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip',
                        'digest': self.digest_of(layer), 'size': len(layer)}]}).encode()
        self.digest = self.digest_of(self.manifest)

    @staticmethod
    def digest_of(data):
        return 'sha256:' + hashlib.sha256(data).hexdigest()


def busybox(extra=(), **config):
    with open('/bin/busybox', 'rb') as f:
        binary = f.read()
    applets = ['sh', 'echo', 'sleep', 'cat', 'id', 'env', 'true', 'false', 'httpd', 'kill',
               'hostname', 'ls', 'mkdir', 'pwd', 'head', 'tail', 'dd', 'nc', 'trap']
    files = [('bin', None), ('etc', None), ('tmp', None), ('data', None),
             ('data/seed', b'from the image\n'), ('bin/busybox', binary),
             ('etc/passwd', b'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n'),
             ('etc/group', b'root:x:0:\napp:x:1000:\n')]
    files += [(f'bin/{a}', 'busybox') for a in applets]
    files += extra
    config.setdefault('Env', ['PATH=/bin', 'FROM_IMAGE=yes'])
    return Image(files, **config)


# ---- the server ----

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind='application/x-amz-json-1.1', **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        target = self.headers.get('X-Amz-Target', '').split('.')[-1]
        assert self.headers['Authorization'].startswith('AWS4-HMAC-SHA256 Credential=')
        if self.path == '/gantry/v1/agent/telemetry':
            self.answer(*self.server.fake.take_telemetry(json.loads(body)))
            return
        if target == 'GetSecretValue' and self.server.fake.hang_up:
            self.server.fake.hang_up -= 1
            self.close_connection = True
            return
        self.server.fake.calls.append(target)
        signer = self.headers['Authorization'].split('Credential=')[1].split('/')[0]
        self.server.fake.signers.append((target, signer))
        status, out = self.server.fake.call(target, json.loads(body))
        self.answer(status, out)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path)
        if path.path == '/gantry/v1/agent':
            self.stream(urllib.parse.parse_qs(path.query))
        elif path.path.startswith('/v2'):
            self.registry(path.path)
        elif path.path in self.server.fake.objects:
            assert '/s3/aws4_request' in self.headers['Authorization']
            self.answer(200, self.server.fake.objects[path.path], 'binary/octet-stream')
        else:
            self.answer(404, b'<Error><Code>NoSuchKey</Code><Message>The specified key does '
                        b'not exist.</Message></Error>', 'application/xml')

    def stream(self, query):
        fake = self.server.fake
        assert query['containerInstanceArn'] == [INSTANCE]
        q = fake.open_stream()
        if q is None:
            self.answer(503, {'message': 'not now'})
            return
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        try:
            while True:
                try:
                    item = q.get(timeout=5)
                except queue.Empty:
                    item = {'kind': 'PING'}
                if item is None:
                    break
                line = json.dumps(item).encode() + b'\n'
                self.wfile.write(b'%x\r\n%s\r\n' % (len(line), line))
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def registry(self, path):
        fake = self.server.fake
        fake.calls.append('GET ' + path)
        wanted = ['Basic ' + base64.b64encode(x.encode()).decode() for x in fake.logins]
        if self.headers.get('Authorization') not in wanted:
            self.answer(401, {}, WWW_Authenticate='Basic realm="fake"')
            return
        parts = path.strip('/').split('/')
        if len(parts) < 4:
            self.answer(200, {})
            return
        kind, name = parts[-2], parts[-1]
        image = fake.images.get('/'.join(parts[1:-2]))
        if fake.registry_broken:
            self.answer(500, {})
        elif image and kind == 'manifests' and name in ('latest', image.digest):
            self.answer(200, image.manifest, 'application/vnd.oci.image.manifest.v1+json',
                        Docker_Content_Digest=image.digest)
        elif image and kind == 'blobs' and name in image.blobs:
            fake.blob_gate.wait(60)
            self.answer(200, image.blobs[name], 'application/octet-stream')
        else:
            self.answer(404, {'errors': [{'code': 'MANIFEST_UNKNOWN', 'message': 'no'}]},
                        'application/json')


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


class FakeEcs:
    def __init__(self, netns, port=4566):
        self.calls, self.reports, self.registrations = [], [], []
        self.signers = []  # operation and access key id of each call
        self.credentials = {}  # task id: HostCredentials
        self.attachments = []  # reports of nothing else
        self.vpc = None  # support.vpc: tasks in mode awsvpc have an interface in it
        self.images, self.tasks, self.streams = {}, {}, []
        self.refuse_streams = False
        self.secrets, self.parameters, self.objects = {}, {}, {}
        self.fail_secrets = 0
        self.hang_up = 0  # so many calls for secrets get no answer
        self.logins = [f'AWS:{PASSWORD}']
        self.fail_submits = 0
        self.telemetry, self.fail_telemetry = [], 0
        self.fail_tokens = 0
        self.registry_broken = False
        self.blob_gate = threading.Event()  # blobs are sent while it is set
        self.blob_gate.set()
        self.tag_gate = threading.Event()  # tags are told while it is set
        self.tag_gate.set()
        self.protection = {}
        self.wanted = []  # HostImages: what services need
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.http = in_netns(netns, lambda: Server(('127.0.0.1', port), Handler))
        self.http.fake = self
        self.url = f'http://127.0.0.1:{port}'
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.drop_streams()
        self.http.shutdown()
        self.http.server_close()

    # -- the agent's calls --

    def call(self, target, body):
        return getattr(self, 'on_' + target)(body)

    def on_RegisterContainerInstance(self, body):
        with self.news:
            self.registrations.append(body)
            self.news.notify_all()
        return 200, {'containerInstance': {'containerInstanceArn': INSTANCE,
                                           'status': 'ACTIVE',
                                           'attributes': body['attributes']}}

    def on_DiscoverPollEndpoint(self, body):
        assert body['containerInstance'] == INSTANCE
        return 200, {'endpoint': self.url + '/'}

    def on_GetAuthorizationToken(self, body):
        if self.fail_tokens:
            self.fail_tokens -= 1
            return 500, {'__type': 'ServerException', 'message': 'try again'}
        token = base64.b64encode(f'AWS:{PASSWORD}'.encode()).decode()
        return 200, {'authorizationData': [{'authorizationToken': token,
                                            'expiresAt': time.time() + 43200}]}

    def on_ListTagsForResource(self, body):
        self.tag_gate.wait(10)
        kind = body['resourceArn'].split(':')[5].split('/')[0]
        return 200, {'tags': [{'key': 'of', 'value': kind}]}

    def on_GetTaskProtection(self, body):
        task = body['tasks'][0]
        return 200, {'protectedTasks': [self.protection.get(task) or {
            'taskArn': task, 'protectionEnabled': False}], 'failures': []}

    def on_UpdateTaskProtection(self, body):
        task, minutes = body['tasks'][0], body.get('expiresInMinutes', 120)
        if not 1 <= minutes <= 2880:
            return 400, {'__type': 'InvalidParameterException', 'message': 'minutes'}
        self.protection[task] = {'taskArn': task,
                                 'protectionEnabled': body['protectionEnabled'],
                                 'expirationDate': time.time() + 60 * minutes}
        return self.on_GetTaskProtection(body)

    def on_GetSecretValue(self, body):
        if self.fail_secrets:
            self.fail_secrets -= 1
            return 500, {'__type': 'InternalServiceError', 'message': 'try again'}
        key = (body['SecretId'], body.get('VersionStage'), body.get('VersionId'))
        value = self.secrets.get(key if any(key[1:]) else key[0])
        if value is None:
            return 400, {'__type': 'ResourceNotFoundException',
                         'message': "Secrets Manager can't find the specified secret."}
        return 200, {'ARN': body['SecretId'], 'SecretString': value}

    def on_GetParameters(self, body):
        assert body['WithDecryption'] is True
        good = [n for n in body['Names'] if n in self.parameters]
        return 200, {'Parameters': [{'Name': n, 'Value': self.parameters[n]} for n in good],
                     'InvalidParameters': [n for n in body['Names'] if n not in good]}

    def on_SubmitTaskStateChange(self, body):
        with self.news:
            if self.fail_submits:
                self.fail_submits -= 1
                return 500, {'__type': 'ServerException', 'message': 'try again'}
            body['at'] = time.monotonic()
            if 'status' not in body:
                self.attachments.append(body)
                self.news.notify_all()
                return 200, {'acknowledgment': 'ok'}
            self.reports.append(body)
            task = self.tasks.get(body['task'].split('/')[-1])
            if task is not None and body['status'] == 'STOPPED':
                task['over'] = True
            self.news.notify_all()
        return 200, {'acknowledgment': 'ok'}

    def take_telemetry(self, body):
        with self.news:
            if self.fail_telemetry:
                self.fail_telemetry -= 1
                return 500, {}
            assert body['containerInstanceArn'] == INSTANCE
            self.telemetry.append(body)
            self.news.notify_all()
        return 200, {}

    def health(self, task_id, name='main'):
        """Every health status that was told of a container, oldest first."""
        with self.lock:
            return [c['healthStatus'] for m in self.telemetry for t in m['tasks']
                    if t['taskArn'].endswith(task_id)
                    for c in t['containers'] if c['name'] == name]

    def wait_health(self, task_id, status, name='main', timeout=20):
        self.wait(lambda: self.health(task_id, name)[-1:] == [status], timeout)

    # -- the stream --

    def desired(self):
        return {'kind': 'DESIRED', 'tasks': [t['host'] for t in self.tasks.values()
                                             if not t.get('over')],
                'credentials': [c for l in self.credentials.values() for c in l]}

    def open_stream(self):
        with self.news:
            if self.refuse_streams:
                return None
            q = queue.Queue()
            q.put(self.desired())
            q.put({'kind': 'IMAGES', 'images': self.wanted})
            self.streams.append(q)
            self.news.notify_all()
            return q

    def send(self, message):
        with self.lock:
            for q in self.streams:
                q.put(message)

    def drop_streams(self):
        with self.lock:
            for q in self.streams:
                q.put(None)
            self.streams.clear()

    # -- what tests do --

    def start(self, containers, send=True, overrides=None, pins=None, words=(),
              **definition):
        task_id = os.urandom(16).hex()
        for c in containers:
            c.setdefault('image', '127.0.0.1:4566/busybox:latest')
            c.setdefault('name', 'main')
            c.setdefault('memory', 64)
        host = {'taskArn': f'{ARN}:task/{CLUSTER}/{task_id}', 'taskId': task_id,
                'clusterArn': f'{ARN}:cluster/{CLUSTER}', 'clusterName': CLUSTER,
                'desiredStatus': 'RUNNING', 'group': 'family:test', 'launchType': 'EC2',
                'region': REGION, 'accountId': ACCOUNT,
                'taskDefinition': {'family': 'test', 'revision': 1,
                                   'networkMode': 'none',
                                   'containerDefinitions': containers, **definition}}
        if self.vpc and host['taskDefinition']['networkMode'] == 'awsvpc':
            host['interface'] = self.vpc.interface()
        host.update(words)
        if overrides:
            host['overrides'] = overrides
        if pins:
            host['containers'] = [{'name': n, 'imageDigest': d} for n, d in pins.items()]
        with self.lock:
            self.tasks[task_id] = {'host': host, 'sent': time.monotonic()}
            if send:
                self.send({'kind': 'TASK', 'task': host})
        return task_id

    def give(self, task_id, use, role, key, lives=3600, send=True):
        """Credentials of a role of the task; older ones of the same use go."""
        new = {'taskArn': self.tasks[task_id]['host']['taskArn'], 'use': use, 'roleArn': role,
               'accessKeyId': key, 'secretAccessKey': 'secret-' + key,
               'sessionToken': 'token-' + key, 'expiration': time.time() + lives}
        with self.lock:
            others = [c for c in self.credentials.get(task_id, []) if c['use'] != use]
            self.credentials[task_id] = [*others, new]
            if send:
                self.send({'kind': 'CREDENTIALS', 'credentials': [new]})
        return new

    def want(self, *images, prefetch=True, **more):
        with self.lock:
            self.wanted = [{'image': i, 'prefetch': prefetch, **more} for i in images]
            self.send({'kind': 'IMAGES', 'images': self.wanted})

    def stop(self, task_id, send=True):
        with self.lock:
            host = dict(self.tasks[task_id]['host'], desiredStatus='STOPPED')
            self.tasks[task_id]['host'] = host
            if send:
                self.send({'kind': 'TASK', 'task': host})

    def forget(self, task_id):
        with self.lock:
            host = self.tasks.pop(task_id)['host']
            self.send({'kind': 'FORGET', 'taskArn': host['taskArn']})

    def of(self, task_id):
        with self.lock:
            return [r for r in self.reports if r['task'].endswith(task_id)]

    def wait(self, what, timeout=20):
        deadline = time.monotonic() + timeout
        with self.news:
            while True:
                value = what()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f'nothing after {timeout} s; reports: '
                                         f'{json.dumps(self.reports[-5:], indent=1)}')
                self.news.wait(min(left, 0.5))

    def wait_status(self, task_id, status, timeout=20):
        return self.wait(lambda: next((r for r in self.of(task_id)
                                       if r['status'] == status), None), timeout)

    def wait_connected(self, timeout=10):
        self.wait(lambda: self.streams, timeout)
