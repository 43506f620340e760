"""Every protocol against botocore: random parameters go out through botocore's serialiser,
are decoded by ours into structs, encoded again as a reply, and come back through botocore's
parser the same. The program between is tests/unit/wire/echo.c."""
import base64
import datetime
import json
import os
import pathlib
import random
import string
import subprocess

import pytest

botocore = pytest.importorskip('botocore')
import botocore.model        # noqa: E402
import botocore.parsers      # noqa: E402
import botocore.serialize    # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get('BUILD', 'build')
UNIT = BUILD / 'tests' / 'unit' / 'wire'
ROUNDS = int(os.environ.get('WIRE_ROUNDS', '60'))
MODELS = {
    'json': UNIT / 'probe.json',
    'query': UNIT / 'probe_query.json',
    'ec2': UNIT / 'probe_ec2.json',
    'rest-json': UNIT / 'probe_rest_json.json',
    'rest-xml': UNIT / 'probe_rest_xml.json',
    'smithy-rpc-v2-cbor': UNIT / 'probe_cbor.json',
    'ecs': ROOT / 'api/ecs/2014-11-13/service-2.json',
    'ecr': ROOT / 'api/ecr/2015-09-21/service-2.json',
}


class Echo:
    def __init__(self):
        self.process = subprocess.Popen([UNIT / 'wire-echo'], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + '\n')
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        reply['body'] = base64.b64decode(reply.get('body', ''))
        reply['headers'] = {h['name']: h['value'] for h in reply.get('headers', [])}
        return reply

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope='module')
def echo():
    if not (UNIT / 'wire-echo').exists():
        pytest.skip('wire-echo is not built')
    e = Echo()
    yield e
    e.close()


CHARS = string.ascii_letters + string.digits + ' -_.~/+&=<>"\'\\%#?;:\u00e9\u20ac\U0001f600'


PATTERNS = {'Dashed': 'a-b', 'Evil': 'aabc', 'RegistryId': '012345678901',
            'RepositoryName': 'team/web', 'ImageTagMutabilityExclusionFilterValue': 'v*'}


class Random:
    """Valid parameters for a shape."""

    def __init__(self, seed, ascii_only=False):
        self.r = random.Random(seed)
        self.chars = string.ascii_letters + string.digits if ascii_only else CHARS

    def text(self, shape, plain=False):
        if shape.name in PATTERNS:
            return PATTERNS[shape.name]
        low = shape.metadata.get('min', 1)
        high = min(shape.metadata.get('max', low + 12), low + 12)
        chars = string.ascii_letters if plain else self.chars
        text = [self.r.choice(chars) for _ in range(self.r.randint(low, high))]
        # Blanks at the ends do not survive a header.
        for i in (0, -1):
            if text and text[i] == ' ':
                text[i] = '_'
        return ''.join(text)

    def value(self, shape, depth=0, plain=False):
        kind = shape.type_name
        r = self.r
        if kind == 'structure':
            return self.structure(shape, depth)
        if kind == 'list':
            low = shape.metadata.get('min', 1)
            n = r.randint(max(low, 1), min(shape.metadata.get('max', low + 2), low + 2))
            return [self.value(shape.member, depth + 1, plain) for _ in range(n)]
        if kind == 'map':
            keys = {self.value(shape.key, plain=True) for _ in range(r.randint(1, 3))}
            return {k: self.value(shape.value, depth + 1, plain) for k in sorted(keys)}
        if kind == 'string':
            return r.choice(shape.enum) if shape.enum else self.text(shape, plain)
        if kind == 'boolean':
            return r.random() < 0.5
        if kind == 'integer':
            return r.randint(int(shape.metadata.get('min', -2**31)),
                             int(shape.metadata.get('max', 2**31 - 1)))
        if kind == 'long':
            return r.randint(-2**63, 2**63 - 1)
        if kind in ('double', 'float'):
            bounds = shape.metadata
            if 'max' in bounds:
                return r.uniform(bounds.get('min', 0.0), bounds['max'])
            return r.choice([r.uniform(-10, 10), 0.1, 1e300, 5e-324, 3.0])
        if kind == 'timestamp':
            return datetime.datetime.fromtimestamp(r.randint(0, 4102444800),
                                                   datetime.timezone.utc)
        if kind == 'blob':
            return bytes(r.randrange(256) for _ in range(r.randint(0, 40)))
        raise AssertionError(kind)

    def structure(self, shape, depth):
        if getattr(shape, 'is_document_type', False):
            return {'x': [1, None, 'y']}
        if getattr(shape, 'is_tagged_union', False):
            simple = ('S', 'N', 'B', 'SS', 'BOOL')
            names = [n for n in shape.members if depth < 3 or n in simple]
            names = [self.r.choice(names)]
        else:
            names = [n for n in shape.members if n in shape.required_members or
                     (depth < 4 and self.r.random() < 0.6)]
        out = {}
        for n in names:
            member = shape.members[n]
            # Only letters where HTTP itself would fold or split.
            place = member.serialization.get('location', '')
            out[n] = self.value(member, depth + 1, plain='header' in place)
        return out


def load(path):
    return botocore.model.ServiceModel(json.loads(path.read_text()), path.stem)


def exchange(echo, service, operation, params):
    protocol = service.metadata['protocol']
    serializer = botocore.serialize.create_serializer(protocol, False)
    request = serializer.serialize_to_request(params, operation)
    body, query = request['body'], request['query_string']
    if isinstance(body, dict):
        body = botocore.compat.urlencode(body)
    if isinstance(body, str):
        body = body.encode()
    if isinstance(query, dict):
        query = botocore.compat.urlencode(query, doseq=True)
    path, _, fixed = request['url_path'].partition('?')
    query = '&'.join(q for q in (fixed, query) if q)
    headers = dict(request['headers'])
    if protocol in ('query', 'ec2'):
        headers['Content-Type'] = 'application/x-www-form-urlencoded; charset=utf-8'
    reply = echo.ask(scope=service.signing_name, method=request['method'], path=path,
                     query=query,
                     headers=[{'name': k, 'value': v if isinstance(v, str) else v.decode()}
                              for k, v in headers.items()],
                     body=base64.b64encode(body or b'').decode())
    parser = botocore.parsers.create_parser(protocol)
    parsed = parser.parse({'body': reply['body'], 'status_code': reply['status'],
                           'headers': botocore.compat.HTTPHeaders.from_dict(
                               reply['headers'])}, operation.output_shape)
    assert parsed['ResponseMetadata']['RequestId'] == 'id-1'
    return reply, parsed


def comparable(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [comparable(v) for v in value]
    return value


def expect(got, want, where=''):
    """All that was sent is there; what comes besides are un-boxed zeros, and the parser's
    empty map where no header has a map's prefix."""
    if isinstance(want, dict):
        for k, v in want.items():
            assert k in got, f'{where}.{k} is missing'
            expect(got[k], v, f'{where}.{k}')
        for k, v in got.items():
            assert k in want or v in (0, False, {}), f'{where}.{k} = {v!r} was not sent'
    elif isinstance(want, list):
        assert len(got) == len(want), where
        for i, (g, w) in enumerate(zip(got, want)):
            expect(g, w, f'{where}[{i}]')
    else:
        assert got == want, where


@pytest.mark.parametrize('name', [n for n in MODELS if n not in ('ecs', 'ecr')])
def test_all_kinds_of_members_survive(echo, name):
    if name not in botocore.parsers.PROTOCOL_PARSERS:
        pytest.skip(f'this botocore does not speak {name}')
    service = load(MODELS[name])
    operation = service.operation_model('PutThing')
    for seed in range(ROUNDS):
        params = Random(seed).value(operation.input_shape)
        reply, parsed = exchange(echo, service, operation, params)
        assert reply['status'] in (200, parsed.get('status')), (reply, params)
        parsed.pop('ResponseMetadata')
        parsed.pop('status', None)
        sent = comparable(params)
        if name.startswith('rest-'):
            sent = {k: v for k, v in sent.items() if k in operation.output_shape.members}
        expect(comparable(parsed), sent, f'{name} seed {seed}')


@pytest.mark.parametrize('name', ['ecs', 'ecr'])
def test_real_requests_are_understood(echo, name):
    service = load(MODELS[name])
    table = json.loads((ROOT / 'api' / name / 'operations.json').read_text())
    for op_name in service.operation_names:
        if table[op_name]['kind'] == 'absent':
            continue
        operation = service.operation_model(op_name)
        for seed in range(5):
            params = Random(seed, ascii_only=True).value(operation.input_shape)
            serializer = botocore.serialize.create_serializer('json', False)
            request = serializer.serialize_to_request(params, operation)
            body = request['body']
            body = body.encode() if isinstance(body, str) else body
            reply = echo.ask(scope=name, method='POST', path='/', query='',
                             headers=[{'name': k, 'value': v}
                                      for k, v in request['headers'].items()],
                             body=base64.b64encode(body).decode())
            assert reply.get('operation') == op_name
            assert reply['status'] == 200, (op_name, reply['body'], params)


@pytest.mark.parametrize('name', [n for n in MODELS if n not in ('ecs', 'ecr')])
def test_a_bad_value_is_an_error_that_botocore_reads(echo, name):
    if name not in botocore.parsers.PROTOCOL_PARSERS:
        pytest.skip(f'this botocore does not speak {name}')
    service = load(MODELS[name])
    operation = service.operation_model('PutThing')
    params = {'name': 'toolong', 'publicIPv4Address': 'x'}
    reply, parsed = exchange(echo, service, operation, params)
    assert reply['status'] == 400
    assert parsed['Error']['Code'] in ('ValidationException', 'ValidationError',
                                       'InvalidParameterValue', 'InvalidArgument')
    assert 'length less than or equal to 4' in parsed['Error']['Message']
