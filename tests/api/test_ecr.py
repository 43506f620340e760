"""Amazon ECR's own API, driven by boto3, with images pushed over HTTP."""

import base64
import datetime
import http.client
import json
import pathlib
import time

import botocore.exceptions
import pytest

from conftest import Server
from push import (DOCKER_IMAGE, DOCKER_LIST, IMAGE, INDEX, Image, Index, Registry, digest_of,
                  image, password_of)
from raw import call

ACCOUNT = "000000000000"
NO_DIGEST = "sha256:" + "0" * 64


def refused(code, operation, *args, **more):
    """The call must fail with this code; returns its text."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        operation(*args, **more)
    reply = error.value.response
    assert reply["Error"]["Code"] == code, reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 400
    return reply["Error"]["Message"]


@pytest.fixture
def ecr(server):
    return server.client("ecr")


@pytest.fixture
def registry(server):
    return Registry(server)


@pytest.fixture
def repository(ecr, request):
    """A repository of the test's own; returns its name."""
    name = "r-" + "".join(c if c.isalnum() else "-" for c in request.node.name).lower().rstrip(
        "-").replace("--", "-")[:200]
    ecr.create_repository(repositoryName=name)
    return name


def no_repository(name, account=ACCOUNT):
    return (f"The repository with name '{name}' does not exist in the registry with id "
            f"'{account}'")


# ---- GetAuthorizationToken ----


@pytest.fixture(scope="module")
def strict():
    """Without --dev: with root keys and tokens that are looked at."""
    s = Server(dev=False)
    yield s
    s.close()


@pytest.fixture(scope="module")
def strict_ecr(strict):
    keys = json.loads(next(pathlib.Path(strict.dir).glob("data/**/root-keys.json")).read_text())
    return strict.client("ecr", aws_access_key_id=keys["accessKeyId"],
                         aws_secret_access_key=keys["secretAccessKey"])


def test_token_opens_the_registry(strict, strict_ecr):
    before = datetime.datetime.now(datetime.timezone.utc)
    data = strict_ecr.get_authorization_token()["authorizationData"]
    assert len(data) == 1
    life = data[0]["expiresAt"] - before
    assert datetime.timedelta(hours=12, seconds=-5) < life < datetime.timedelta(
        hours=12, seconds=60)
    assert data[0]["proxyEndpoint"] == strict.url
    pair = base64.b64decode(data[0]["authorizationToken"]).decode()
    assert pair.startswith("AWS:")
    strict_ecr.create_repository(repositoryName="mine")
    registry = Registry(strict, password=pair[4:])
    registry.call("GET", "/v2/").expect(200)
    registry.push("mine", image("x"), "1")
    Registry(strict).call("GET", "/v2/").expect(401)
    # The same secret signs after a restart: a login outlives the server.
    strict.restart()
    registry.call("GET", "/v2/mine/manifests/1").expect(200)


@pytest.mark.parametrize("change", [
    lambda p: p[:-1], lambda p: p + "00", lambda p: "", lambda p: "x" * 5000,
    lambda p: ("0" if p[0] != "0" else "1") + p[1:],
    lambda p: p[:-1] + ("0" if p[-1] != "0" else "1"),
], ids=["shorter", "longer", "empty", "huge", "signature", "content"])
def test_changed_token_is_refused(strict, strict_ecr, change):
    password = password_of(strict_ecr)
    Registry(strict, password=password).call("GET", "/v2/").expect(200)
    pair = base64.b64encode(f"AWS:{change(password)}".encode()).decode()
    reply = Registry(strict, authorization=f"Basic {pair}").call("GET", "/v2/").expect(401)
    assert reply.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_another_account_is_not_reachable(strict, strict_ecr):
    host = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    registry = Registry(strict, password=password_of(strict_ecr), host=host)
    for method, path in (("GET", "/v2/mine/tags/list"), ("GET", "/v2/mine/manifests/1"),
                         ("POST", "/v2/mine/blobs/uploads/"), ("GET", "/v2/_catalog"),
                         ("GET", f"/v2/mine/blobs/{NO_DIGEST}")):
        reply = registry.call(method, path).expect(403)
        assert reply.code == "DENIED"
        assert "is not authorized to perform: ecr:" in reply.json["errors"][0]["message"]


def test_accounts_of_a_dev_server_are_apart(server):
    one = server.client("ecr", account="111111111111")
    two = server.client("ecr", account="222222222222")
    one.create_repository(repositoryName="apart")
    Registry(server, password=password_of(one)).push("apart", image("x"), "1")
    Registry(server, password=password_of(two)).call(
        "GET", "/v2/apart/tags/list").expect(404)
    assert two.describe_repositories()["repositories"] == []
    text = refused("RepositoryNotFoundException", two.list_images, repositoryName="apart")
    assert text == no_repository("apart", "222222222222")
    refused("RepositoryNotFoundException", two.list_images, repositoryName="apart",
            registryId="111111111111")


def test_regions_are_apart(server):
    here = server.client("ecr", account="333333333333")
    there = server.client("ecr", account="333333333333", region="eu-west-1")
    here.create_repository(repositoryName="x1")
    assert there.describe_repositories()["repositories"] == []
    there.create_repository(repositoryName="x1")
    Registry(server, password=password_of(here)).push("x1", image("x"), "1")
    assert there.list_images(repositoryName="x1")["imageIds"] == []


# ---- CreateRepository ----


@pytest.mark.parametrize("name", [
    "ab", "a1", "0a", "team/web", "a/b/c/d", "a.b", "a_b", "a-b", "a--b", "a__b", "a" * 256])
def test_names(ecr, name):
    r = ecr.create_repository(repositoryName=name)["repository"]
    assert r["repositoryName"] == name
    assert r["repositoryArn"] == f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"
    assert r["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{name}"
    assert r["registryId"] == ACCOUNT
    assert r["imageTagMutability"] == "MUTABLE"
    assert r["imageScanningConfiguration"] == {"scanOnPush": False}
    assert r["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert abs((datetime.datetime.now(datetime.timezone.utc) -
                r["createdAt"]).total_seconds()) < 60
    assert ecr.describe_repositories(repositoryNames=[name])["repositories"] == [r]
    ecr.delete_repository(repositoryName=name)


@pytest.mark.parametrize("name", [
    "Upper", "a/", "/a", "a//b", "-ab", "ab-", "a..b", "a._b", "a___b", "a b", "a:b", "a@b",
    "ä1", "_catalog", "a/-b", "a.-b"])
def test_wrong_names(ecr, name):
    text = refused("InvalidParameterException", ecr.create_repository, repositoryName=name)
    assert text.startswith("Invalid parameter at 'repositoryName' failed to satisfy constraint: ")


def test_repository_exists(ecr, repository):
    text = refused("RepositoryAlreadyExistsException", ecr.create_repository,
                   repositoryName=repository)
    assert text == (f"The repository with name '{repository}' already exists in the registry "
                    f"with id '{ACCOUNT}'")


def test_tags_of_a_repository(ecr):
    many = [{"Key": f"k{i}", "Value": str(i)} for i in range(50)]
    ecr.create_repository(repositoryName="tagged-ok", tags=many)
    refused("TooManyTagsException", ecr.create_repository, repositoryName="tagged-no",
            tags=many + [{"Key": "one-more", "Value": ""}])
    for key in ("aws:x", "", "x" * 129):
        refused("InvalidTagParameterException", ecr.create_repository,
                repositoryName="tagged-no", tags=[{"Key": key, "Value": ""}])
    refused("InvalidTagParameterException", ecr.create_repository,
            repositoryName="tagged-no", tags=[{"Key": "x", "Value": "v" * 257}])


def only(*filters):
    return [{"filterType": "WILDCARD", "filter": f} for f in filters]


@pytest.mark.parametrize("mode,filters", [
    ("IMMUTABLE", only("x")), ("MUTABLE", only("x")), ("IMMUTABLE_WITH_EXCLUSION", None),
    ("MUTABLE_WITH_EXCLUSION", None), ("IMMUTABLE_WITH_EXCLUSION", only(*"abcdef")),
    ("IMMUTABLE_WITH_EXCLUSION", only("a*b*c*")), ("IMMUTABLE_WITH_EXCLUSION", only("a b")),
    ("IMMUTABLE_WITH_EXCLUSION", only("x" * 129))])
def test_wrong_filters(ecr, mode, filters):
    more = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
    refused("InvalidParameterException", ecr.create_repository, repositoryName="filters-no",
            imageTagMutability=mode, **more)


@pytest.mark.parametrize("mode,filters,moves,stays", [
    ("MUTABLE", None, ["latest", "v1"], []),
    ("IMMUTABLE", None, [], ["latest", "v1"]),
    ("IMMUTABLE_WITH_EXCLUSION", only("latest", "dev-*"), ["latest", "dev-", "dev-1"],
     ["latest2", "v1", "xdev-1"]),
    ("MUTABLE_WITH_EXCLUSION", only("v*", "*.rel"), ["latest", "1v"], ["v1", "v", "1.rel"]),
])
def test_which_tags_may_move(ecr, registry, repository, mode, filters, moves, stays):
    more = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
    ecr.delete_repository(repositoryName=repository)
    ecr.create_repository(repositoryName=repository, imageTagMutability=mode, **more)
    first, second = image("first"), image("second")
    registry.push(repository, first, *moves, *stays)
    registry.push(repository, second)
    for tag in moves:
        registry.put_manifest(repository, tag, second).expect(201)
    for tag in stays:
        registry.put_manifest(repository, tag, first).expect(201)  # the same again
        reply = registry.put_manifest(repository, tag, second).expect(400)
        assert reply.code == "TAG_INVALID"
        assert reply.json["errors"][0]["message"] == (
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot "
            "be overwritten because the tag is immutable.")
    where = {i["imageTag"]: i["imageDigest"]
             for i in ecr.list_images(repositoryName=repository)["imageIds"] if "imageTag" in i}
    assert where == {**{t: second.digest for t in moves}, **{t: first.digest for t in stays}}


def test_a_refused_put_changes_no_tag(ecr, registry):
    """One request with several tags, the last of which is immutable."""
    ecr.create_repository(repositoryName="all-or-none",
                          imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
                          imageTagMutabilityExclusionFilters=only("latest"))
    first, second = image("first"), image("second")
    registry.push("all-or-none", first, "latest", "v1")
    for data in second.blobs:
        registry.put_blob("all-or-none", data)
    reply = registry.put_manifest("all-or-none", f"{second.digest}?tag=latest&tag=v1", second)
    assert reply.expect(400).code == "TAG_INVALID"
    registry.call("GET", f"/v2/all-or-none/manifests/{second.digest}").expect(404)
    assert registry.call("GET", "/v2/all-or-none/manifests/latest").body == first.manifest


# ---- DescribeRepositories ----


def test_describe_pages(server):
    ecr = server.client("ecr", account="444444444444")
    names = [f"page/{i:03}" for i in range(25)]
    for n in reversed(names):
        ecr.create_repository(repositoryName=n)
    pages = list(ecr.get_paginator("describe_repositories").paginate(
        PaginationConfig={"PageSize": 10}))
    assert [len(p["repositories"]) for p in pages] == [10, 10, 5]
    assert [r["repositoryName"] for p in pages for r in p["repositories"]] == names
    assert "nextToken" not in pages[-1]
    # Exactly full: no token for a page that would be empty.
    assert "nextToken" not in ecr.describe_repositories(maxResults=25)
    for token in ("x", "", pages[0]["nextToken"] + "x", "AAAA"):
        refused("InvalidParameterException", ecr.describe_repositories, nextToken=token)
    for limit in (0, 1001, -1):
        with pytest.raises(botocore.exceptions.ParamValidationError if limit < 1
                           else botocore.exceptions.ClientError):
            ecr.describe_repositories(maxResults=limit)


def test_describe_missing(ecr, repository):
    text = refused("RepositoryNotFoundException", ecr.describe_repositories,
                   repositoryNames=[repository, "missing/one"])
    assert text == no_repository("missing/one")
    refused("RepositoryNotFoundException", ecr.describe_repositories,
            repositoryNames=[repository], registryId="999999999999")


# ---- DeleteRepository ----


def test_delete_repository(ecr, registry, repository):
    text = refused("RepositoryNotFoundException", ecr.delete_repository, repositoryName="gone")
    assert text == no_repository("gone")
    one = image("x")
    registry.push(repository, one, "1", "2")
    text = refused("RepositoryNotEmptyException", ecr.delete_repository,
                   repositoryName=repository)
    assert text == (f"The repository with name '{repository}' in registry with id '{ACCOUNT}' "
                    "cannot be deleted because it still contains images")
    r = ecr.delete_repository(repositoryName=repository, force=True)["repository"]
    assert r["repositoryName"] == repository
    registry.call("GET", f"/v2/{repository}/manifests/1").expect(404)
    # A new one under the old name begins empty.
    ecr.create_repository(repositoryName=repository)
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []
    registry.call("GET", f"/v2/{repository}/blobs/{digest_of(one.blobs[1])}").expect(404)


def test_delete_repository_that_holds_only_blobs(ecr, registry, repository):
    registry.put_blob(repository, b"alone")
    ecr.delete_repository(repositoryName=repository)


def test_many_images_are_deleted_quickly(server, ecr, registry, repository):
    """Nothing about one image looks at all others: ten times as many take about ten times
    as long, not a hundred times. Calls of others wait meanwhile."""
    one = image("x")
    registry.push(repository, one)
    manifest = json.loads(one.manifest)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def seconds(count):
        for i in range(count):
            manifest["annotations"] = {"n": str(i)}
            connection.request("PUT", f"/v2/{repository}/manifests/t{i}", json.dumps(manifest),
                               {"Content-Type": IMAGE})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        begin = time.monotonic()
        found = ecr.list_images(repositoryName=repository, maxResults=1000)["imageIds"]
        for at in range(0, len(found), 100):
            out = ecr.batch_delete_image(repositoryName=repository,
                                         imageIds=found[at:at + 100])
            assert out["failures"] == []
        return time.monotonic() - begin

    few, many = min(seconds(100), seconds(100)), seconds(1000)
    connection.close()
    assert many < 40 * few + 0.5


def test_neighbours_with_a_common_beginning(ecr, registry):
    for name in ("near", "near/by", "near-by", "nearby"):
        ecr.create_repository(repositoryName=name)
        registry.push(name, image(name), "1")
    ecr.delete_repository(repositoryName="near", force=True)
    for name in ("near/by", "near-by", "nearby"):
        assert ecr.list_images(repositoryName=name)["imageIds"] == [
            {"imageDigest": image(name).digest, "imageTag": "1"}]


# ---- ListImages, DescribeImages ----


@pytest.fixture
def filled(ecr, registry, repository):
    """Five images with three tags, two, one and none; returns them by name."""
    made = {}
    for name, tags in (("three", ["a", "b", "c"]), ("two", ["d", "e"]), ("one", ["f"]),
                       ("none", []), ("bare", [])):
        made[name] = image(name)
        registry.push(repository, made[name], *tags)
    return made


def rows(pages):
    return sorted((i["imageDigest"], i.get("imageTag", "")) for p in pages for i in p["imageIds"])


def test_list_images(ecr, repository, filled):
    every = sorted([(filled["three"].digest, t) for t in "abc"] +
                   [(filled["two"].digest, t) for t in "de"] +
                   [(filled["one"].digest, "f"), (filled["none"].digest, ""),
                    (filled["bare"].digest, "")])
    assert rows([ecr.list_images(repositoryName=repository)]) == every
    assert rows([ecr.list_images(repositoryName=repository,
                                 filter={"tagStatus": "ANY"})]) == every
    assert rows([ecr.list_images(repositoryName=repository,
                                 filter={"tagStatus": "TAGGED"})]) == [r for r in every if r[1]]
    assert rows([ecr.list_images(repositoryName=repository, filter={"tagStatus": "UNTAGGED"})
                 ]) == [r for r in every if not r[1]]
    for size in (1, 2, 3, 7):
        pages = list(ecr.get_paginator("list_images").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": size}))
        assert all(len(p["imageIds"]) <= size for p in pages)
        assert rows(pages) == every
    refused("InvalidParameterException", ecr.list_images, repositoryName=repository,
            nextToken="x")
    assert refused("RepositoryNotFoundException", ecr.list_images,
                   repositoryName="missing") == no_repository("missing")


def test_a_page_goes_on_after_its_image_was_deleted(ecr, repository, filled):
    page = ecr.list_images(repositoryName=repository, maxResults=3)
    last = page["imageIds"][-1]
    ecr.batch_delete_image(repositoryName=repository,
                           imageIds=[{"imageDigest": last["imageDigest"]}])
    rest = ecr.list_images(repositoryName=repository, nextToken=page["nextToken"])
    seen = {i["imageDigest"] for p in (page, rest) for i in p["imageIds"]}
    assert seen == {i.digest for i in filled.values()}


def test_describe_images(ecr, registry, repository, filled):
    every = {d["imageDigest"]: d
             for d in ecr.describe_images(repositoryName=repository)["imageDetails"]}
    assert set(every) == {i.digest for i in filled.values()}
    d = every[filled["three"].digest]
    assert d["registryId"] == ACCOUNT
    assert d["repositoryName"] == repository
    assert sorted(d["imageTags"]) == ["a", "b", "c"]
    assert d["imageSizeInBytes"] == filled["three"].size
    assert d["imageManifestMediaType"] == IMAGE
    assert d["artifactMediaType"] == "application/vnd.oci.image.config.v1+json"
    assert abs((datetime.datetime.now(datetime.timezone.utc) -
                d["imagePushedAt"]).total_seconds()) < 60
    assert "lastRecordedPullTime" not in d
    assert "imageTags" not in every[filled["none"].digest]
    registry.call("GET", f"/v2/{repository}/manifests/a").expect(200)
    d = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "b"}])
    assert "lastRecordedPullTime" in d["imageDetails"][0]
    for status, count in (("TAGGED", 3), ("UNTAGGED", 2), ("ANY", 5)):
        pages = list(ecr.get_paginator("describe_images").paginate(
            repositoryName=repository, filter={"tagStatus": status},
            PaginationConfig={"PageSize": 2}))
        assert all(len(p["imageDetails"]) <= 2 for p in pages)
        assert sum(len(p["imageDetails"]) for p in pages) == count


def test_describe_images_that_are_not_there(ecr, repository, filled):
    tail = (f"does not exist within the repository with name '{repository}' in the registry "
            f"with id '{ACCOUNT}'")
    for given, shown in (
            ({"imageTag": "zz"}, "{imageDigest:'null', imageTag:'zz'}"),
            ({"imageDigest": NO_DIGEST}, f"{{imageDigest:'{NO_DIGEST}', imageTag:'null'}}"),
            ({"imageDigest": filled["one"].digest, "imageTag": "a"},
             f"{{imageDigest:'{filled['one'].digest}', imageTag:'a'}}")):
        text = refused("ImageNotFoundException", ecr.describe_images, repositoryName=repository,
                       imageIds=[{"imageTag": "f"}, given])
        assert text == f"The image with imageId {shown} {tail}"
    assert refused("RepositoryNotFoundException", ecr.describe_images,
                   repositoryName="missing") == no_repository("missing")


def test_an_index_and_its_images(ecr, registry, repository):
    small, large = Image(b"s" * 100), Image(b"l" * 5000)
    registry.push(repository, small)
    registry.push(repository, large)
    both = Index(small, large)
    registry.push(repository, both, "multi")
    d = ecr.describe_images(repositoryName=repository,
                            imageIds=[{"imageTag": "multi"}])["imageDetails"][0]
    assert d["imageManifestMediaType"] == INDEX
    assert d["imageSizeInBytes"] == large.size


def test_a_referrer_names_its_subject(ecr, registry, repository):
    subject = image("subject")
    registry.push(repository, subject, "s")
    signature = Image(b"sig", subject={"mediaType": IMAGE, "digest": subject.digest,
                                       "size": len(subject.manifest)})
    registry.push(repository, signature)
    d = ecr.describe_images(repositoryName=repository,
                            imageIds=[{"imageDigest": signature.digest}])["imageDetails"][0]
    assert d["subjectManifestDigest"] == subject.digest


# ---- BatchGetImage ----


@pytest.mark.parametrize("media_type", [IMAGE, DOCKER_IMAGE])
def test_batch_get_image_gives_the_very_bytes(ecr, registry, repository, media_type):
    pushed = image("x", media_type=media_type)
    registry.push(repository, pushed, "t")
    out = ecr.batch_get_image(repositoryName=repository,
                              imageIds=[{"imageTag": "t"}, {"imageDigest": pushed.digest},
                                        {"imageTag": "t", "imageDigest": pushed.digest}])
    assert out["failures"] == []
    assert [i["imageId"] for i in out["images"]] == [
        {"imageDigest": pushed.digest, "imageTag": "t"}, {"imageDigest": pushed.digest},
        {"imageDigest": pushed.digest, "imageTag": "t"}]
    for i in out["images"]:
        assert i["imageManifest"].encode() == pushed.manifest
        assert i["imageManifestMediaType"] == media_type
        assert i["registryId"] == ACCOUNT
        assert i["repositoryName"] == repository


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_LIST])
def test_batch_get_image_of_an_index(ecr, registry, repository, media_type):
    child = image("x")
    registry.push(repository, child)
    both = Index(child, media_type=media_type)
    registry.push(repository, both, "t")
    got = ecr.batch_get_image(repositoryName=repository,
                              imageIds=[{"imageTag": "t"}])["images"][0]
    assert got["imageManifest"].encode() == both.manifest
    assert got["imageManifestMediaType"] == media_type


def test_accepted_media_types(ecr, registry, repository):
    pushed = image("x")
    registry.push(repository, pushed, "t")
    out = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "t"}],
                              acceptedMediaTypes=[DOCKER_IMAGE, IMAGE])
    assert len(out["images"]) == 1
    out = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "t"}],
                              acceptedMediaTypes=[DOCKER_IMAGE])
    assert out["images"] == []
    assert len(out["failures"]) == 1


def failure_rows(out):
    return [(f["imageId"], f["failureCode"], f["failureReason"]) for f in out["failures"]]


FAILURES = [
    ({"imageTag": "zz"}, "ImageNotFound", "Requested image not found"),
    ({"imageDigest": NO_DIGEST}, "ImageNotFound", "Requested image not found"),
    ({}, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"),
    ({"imageDigest": "sha256:xyz"}, "InvalidImageDigest", None),
    ({"imageDigest": "nonsense"}, "InvalidImageDigest", None),
    ({"imageTag": "-no"}, "InvalidImageTag", None),
    ({"imageTag": "not a tag"}, "InvalidImageTag", None),
]


def test_failures_of_batches(ecr, registry, repository):
    one, two = image("one"), image("two")
    registry.push(repository, one, "one")
    registry.push(repository, two, "two")
    asked = FAILURES + [({"imageDigest": two.digest, "imageTag": "one"},
                         "ImageTagDoesNotMatchDigest", None)]
    for batch, good in ((ecr.batch_get_image, "images"), (ecr.batch_delete_image, "imageIds")):
        out = batch(repositoryName=repository,
                    imageIds=[a[0] for a in asked] + [{"imageTag": "two"}])
        assert len(out[good]) == 1
        assert [(i, c) for i, c, _ in failure_rows(out)] == [(i, c) for i, c, _ in asked]
        for (_, _, reason), (_, _, wanted) in zip(failure_rows(out), asked):
            assert reason and (wanted is None or reason == wanted)
        assert refused("RepositoryNotFoundException", batch, repositoryName="missing",
                       imageIds=[{"imageTag": "a"}]) == no_repository("missing")
        refused("InvalidParameterException", batch, repositoryName=repository,
                imageIds=[{"imageTag": f"t{i}"} for i in range(101)])
        registry.push(repository, two, "two")


# ---- BatchDeleteImage ----


def test_delete_by_tag_then_the_last_tag(ecr, registry, repository):
    pushed = image("x")
    registry.push(repository, pushed, "a", "b")
    out = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "a"}])
    assert out["imageIds"] == [{"imageDigest": pushed.digest, "imageTag": "a"}]
    assert ecr.list_images(repositoryName=repository)["imageIds"] == [
        {"imageDigest": pushed.digest, "imageTag": "b"}]
    registry.call("GET", f"/v2/{repository}/manifests/{pushed.digest}").expect(200)
    out = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "b"}])
    assert out["imageIds"] == [{"imageDigest": pushed.digest, "imageTag": "b"}]
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []
    registry.call("GET", f"/v2/{repository}/manifests/{pushed.digest}").expect(404)


def test_delete_by_digest_takes_all_tags(ecr, registry, repository):
    pushed = image("x")
    registry.push(repository, pushed, "a", "b")
    out = ecr.batch_delete_image(repositoryName=repository,
                                 imageIds=[{"imageDigest": pushed.digest}])
    assert sorted(i["imageTag"] for i in out["imageIds"]) == ["a", "b"]
    assert {i["imageDigest"] for i in out["imageIds"]} == {pushed.digest}
    assert registry.call("GET", f"/v2/{repository}/tags/list").json["tags"] == []


def test_child_of_an_index_stays(ecr, registry, repository):
    child = image("x")
    registry.push(repository, child, "child")
    both = Index(child)
    registry.push(repository, both, "both")
    for given in ({"imageDigest": child.digest}, {"imageTag": "child"}):
        out = ecr.batch_delete_image(repositoryName=repository, imageIds=[given])
        assert out["imageIds"] == []
        assert [(i, c) for i, c, _ in failure_rows(out)] == [
            (given, "ImageReferencedByManifestList")]
    # With a second tag the first is only a name.
    registry.put_manifest(repository, "child2", child).expect(201)
    out = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "child"}])
    assert len(out["imageIds"]) == 1
    # The index first, then its child: in one call.
    out = ecr.batch_delete_image(repositoryName=repository, imageIds=[
        {"imageTag": "both"}, {"imageDigest": child.digest}])
    assert out["failures"] == []
    assert len(out["imageIds"]) == 2
    assert ecr.list_images(repositoryName=repository)["imageIds"] == []


def test_the_same_image_twice_in_one_batch(ecr, registry, repository):
    pushed = image("x")
    registry.push(repository, pushed, "a")
    out = ecr.batch_delete_image(repositoryName=repository, imageIds=[
        {"imageTag": "a"}, {"imageTag": "a"}])
    assert len(out["imageIds"]) == 1
    assert out["failures"][0]["failureCode"] == "ImageNotFound"


# ---- what stays after a crash ----


def everything(server):
    ecr = server.client("ecr")
    found = {}
    for r in ecr.describe_repositories()["repositories"]:
        name = r["repositoryName"]
        details = ecr.describe_images(repositoryName=name)["imageDetails"]
        ids = [{"imageDigest": d["imageDigest"]} for d in details]
        texts = ecr.batch_get_image(repositoryName=name, imageIds=ids)["images"] if ids else []
        # Read again: the first pull is noted in them.
        found[name] = (r, ecr.describe_images(repositoryName=name)["imageDetails"], texts)
    return found


def test_all_is_there_after_a_crash(own_server):
    ecr, registry = own_server.client("ecr"), Registry(own_server)
    ecr.create_repository(repositoryName="one", tags=[{"Key": "k", "Value": "v"}],
                          imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
                          imageTagMutabilityExclusionFilters=only("latest"))
    ecr.create_repository(repositoryName="two/deep")
    children = [image(i) for i in range(3)]
    for c in children:
        registry.push("one", c, f"v{c.digest[7:12]}")
    registry.push("one", Index(*children), "latest")
    registry.push("two/deep", children[0], "x")
    signatures = [Image(f"s{i}".encode(), subject={
        "mediaType": IMAGE, "digest": children[0].digest, "size": 1}) for i in range(5)]
    for s in signatures:
        registry.push("two/deep", s)
    ecr.batch_get_image(repositoryName="two/deep", imageIds=[{"imageTag": "x"}])
    password = password_of(ecr)
    before = everything(own_server)
    own_server.restart()
    assert everything(own_server) == before
    registry = Registry(own_server, password=password)
    for c in children:
        assert registry.call("GET", f"/v2/one/manifests/{c.digest}").body == c.manifest
        for blob in c.blobs:
            assert registry.call("GET", f"/v2/one/blobs/{digest_of(blob)}").body == blob
    # What names what: children of an index stay, referrers are found, tags count.
    out = own_server.client("ecr").batch_delete_image(
        repositoryName="one", imageIds=[{"imageDigest": children[0].digest}])
    assert out["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    rows = registry.call("GET", f"/v2/two/deep/referrers/{children[0].digest}").json["manifests"]
    assert [m["digest"] for m in rows] == sorted(s.digest for s in signatures)
    # Rules too: the tag of the first is still immutable.
    reply = registry.put_manifest("one", f"v{children[0].digest[7:12]}", children[1])
    assert reply.expect(400).code == "TAG_INVALID"


def test_an_acknowledged_push_is_never_lost(own_server):
    """kill -9 right after each 201, fifty times; then all images are there with all bytes."""
    own_server.client("ecr").create_repository(repositoryName="kept")
    pushed = []
    for n in range(50):
        registry = Registry(own_server)
        one = image(f"kept {n}")
        for data in one.blobs:
            registry.put_blob("kept", data)
            if n % 3 == 0:
                own_server.restart()
                registry = Registry(own_server)
        registry.put_manifest("kept", f"t{n}", one).expect(201)
        pushed.append(one)
        own_server.restart()
        registry = Registry(own_server)
        assert registry.call("GET", f"/v2/kept/manifests/t{n}").body == one.manifest
    for n, one in enumerate(pushed):
        assert registry.call("GET", f"/v2/kept/manifests/t{n}").body == one.manifest
        for data in one.blobs:
            assert registry.call("GET", f"/v2/kept/blobs/{digest_of(data)}").body == data


# ---- input that is wrong ----


@pytest.mark.parametrize("operation,body", [
    ("CreateRepository", {}), ("CreateRepository", {"repositoryName": "a"}),
    ("CreateRepository", {"repositoryName": "a" * 257}),
    ("CreateRepository", {"repositoryName": "okay", "imageTagMutability": "SOMETIMES"}),
    ("CreateRepository", {"repositoryName": "okay", "registryId": "1"}),
    ("ListImages", {}), ("ListImages", {"repositoryName": "okay", "maxResults": 0}),
    ("ListImages", {"repositoryName": "okay", "maxResults": 1001}),
    ("ListImages", {"repositoryName": "okay", "filter": {"tagStatus": "x"}}),
    ("BatchGetImage", {"repositoryName": "okay"}),
    ("BatchGetImage", {"repositoryName": "okay", "imageIds": []}),
    ("BatchDeleteImage", {"repositoryName": "okay", "imageIds": []}),
    ("DescribeRepositories", {"repositoryNames": []}),
    ("DescribeRepositories", {"repositoryNames": ["a"] * 101}),
    ("GetAuthorizationToken", {"registryIds": ["1"] * 11}),
])
def test_wrong_parameters(server, operation, body):
    reply = call(server, f"AmazonEC2ContainerRegistry_V20150921.{operation}",
                 json.dumps(body).encode(), scope="ecr")
    assert reply.status == 400, reply.body
    assert reply.fault in ("InvalidParameterException", "ValidationException"), reply.body
