"""Our SigV4 against botocore's: what its signer signs we accept, what ours signs has the
signature that its signer would give. Random requests; the program between is
tests/unit/wire/echo.c."""
import base64
import datetime
import os
import random
import string

import pytest

botocore = pytest.importorskip('botocore')
import botocore.auth                                  # noqa: E402
import botocore.awsrequest                            # noqa: E402
import botocore.credentials                           # noqa: E402
from test_wire_codec import Echo, UNIT                # noqa: E402

ROUNDS = int(os.environ.get('SIGV4_ROUNDS', '100'))
KEY, SECRET = 'AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
OK, MISMATCH = 0, 4


@pytest.fixture(scope='module')
def echo():
    if not (UNIT / 'wire-echo').exists():
        pytest.skip('wire-echo is not built')
    e = Echo()
    yield e
    e.close()


def quoted(r, chars, low, high):
    from urllib.parse import quote
    return quote(''.join(r.choice(chars) for _ in range(r.randint(low, high))), safe='/~')


def random_request(r, s3):
    chars = string.ascii_letters + string.digits + ' /+.~-_*()\u00e9%'
    path = '/' + quoted(r, chars, 0, 15)
    if r.random() < 0.3:
        path += '/../' + quoted(r, 'ab', 1, 2) + r.choice(['', '/', '//c/./d'])
    query = '&'.join(quoted(r, 'abAB-', 1, 3) + '=' + quoted(r, 'xyz %&=\u00e9', 0, 4)
                     for _ in range(r.randint(0, 4)))
    headers = {'Host': 'localhost:4566',
               'X-Test-A': r.choice(['plain', '  two  blanks ', 'a, b', '']),
               'Content-Type': 'application/x-amz-json-1.1'}
    body = bytes(r.randrange(256) for _ in range(r.randint(0, 50)))
    method = r.choice(['GET', 'POST', 'PUT', 'DELETE'])
    url = 'http://localhost:4566' + path + ('?' + query if query else '')
    return botocore.awsrequest.AWSRequest(method=method, url=url, headers=headers, data=body)


def split(request):
    rest = request.url[len('http://localhost:4566'):]
    path, _, query = rest.partition('?')
    return dict(method=request.method, path=path, query=query,
                headers=[{'name': k, 'value': v} for k, v in request.headers.items()],
                body=base64.b64encode(request.data).decode())


def now():
    return int(datetime.datetime.now(datetime.timezone.utc).timestamp())


@pytest.mark.parametrize('service', ['ecs', 's3'])
@pytest.mark.parametrize('token', [None, 'to/ken+=='])
def test_what_botocore_signs_is_accepted(echo, service, token):
    signer_class = botocore.auth.S3SigV4Auth if service == 's3' else botocore.auth.SigV4Auth
    for seed in range(ROUNDS):
        request = random_request(random.Random(seed), service == 's3')
        request.context['client_config'] = None
        credentials = botocore.credentials.Credentials(KEY, SECRET, token)
        signer_class(credentials, service, 'us-east-1').add_auth(request)
        reply = echo.ask(secret=SECRET, now=now(), **split(request))
        assert reply['failure'] == OK, (seed, request.url, reply)
        reply = echo.ask(secret='wrong', now=now(), **split(request))
        assert reply['failure'] == MISMATCH


@pytest.mark.parametrize('service', ['sts', 's3'])
def test_what_botocore_presigns_is_accepted(echo, service):
    signer_class = (botocore.auth.S3SigV4QueryAuth if service == 's3'
                    else botocore.auth.SigV4QueryAuth)
    for seed in range(ROUNDS):
        request = random_request(random.Random(seed), service == 's3')
        request.method, request.data = 'GET', b''
        request.headers = botocore.awsrequest.HTTPHeaders()
        request.headers['Host'] = 'localhost:4566'
        credentials = botocore.credentials.Credentials(KEY, SECRET, 'to/ken+==')
        signer_class(credentials, service, 'us-east-1', expires=60).add_auth(request)
        reply = echo.ask(secret=SECRET, now=now(), **split(request))
        assert reply['failure'] == OK, (seed, request.url, reply)


@pytest.mark.parametrize('service', ['ecs', 's3'])
def test_what_we_sign_is_what_botocore_would(echo, service):
    signer_class = botocore.auth.S3SigV4Auth if service == 's3' else botocore.auth.SigV4Auth
    for seed in range(ROUNDS):
        request = random_request(random.Random(seed), service == 's3')
        at = now()
        reply = echo.ask(secret=SECRET, accessKey=KEY, token='t', service=service,
                         region='eu-west-1', now=at, **split(request))
        ours = reply['headers']['Authorization']
        request.context['client_config'] = None
        for name, value in reply['headers'].items():
            if name != 'Authorization':
                request.headers[name] = value
        request.context['timestamp'] = reply['headers']['X-Amz-Date']
        signer = signer_class(botocore.credentials.Credentials(KEY, SECRET, 't'), service,
                              'eu-west-1')
        canonical = signer.canonical_request(request)
        text = signer.string_to_sign(request, canonical)
        assert ours.endswith('Signature=' + signer.signature(text, request)), \
            (seed, request.url, canonical)
