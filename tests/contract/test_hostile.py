"""Requests that no honest client sends: each is refused with 4xx and a message, and the hub goes on."""

import base64
import gzip
import json
import socket

import httpx2
import pytest
from huggingface_hub import hf_hub_url

JSON = {"Content-Type": "application/json"}
PATIENCE = 60  # seconds; a busy machine is no finding


@pytest.fixture
def owner(hub, token_for):
    """Raw requests with alice's token."""
    headers = {"Authorization": f"Bearer {token_for('alice')}"}
    with httpx2.Client(base_url=hub.endpoint, headers=headers, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(autouse=True)
def still_alive(hub):
    yield
    newest = httpx2.get(f"{hub.endpoint}/api/models?limit=3&full=true&cardData=true&config=true", timeout=PATIENCE)
    assert newest.status_code == 200
    assert len(newest.json()) <= 3


def refused(answer, *statuses):
    assert answer.status_code in (statuses or range(400, 500)), answer.text
    assert answer.headers["X-Error-Message"]
    assert answer.json()["error"]
    return answer


def lines(*items):
    return "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in items)


def commit(client, repo, *operations, header=None):
    body = lines(("header", {"summary": "x"} if header is None else header), *operations)
    return client.post(f"/api/models/{repo}/commit/main", content=body)


@pytest.mark.parametrize(
    "path",
    [
        "../escape", "a/../../escape", "/absolute", "a//b", "a/./b", "a\\..\\b", "", ".git/config", "a/.GIT/hooks/x",
        ".git\u200c/config", "git~1/config", "a\0b", "a\nb", ".gitmodules", "x" * 1100, "a/", 7, None, "a/" * 70 + "b",
    ],
)  # fmt: skip
def test_paths_that_would_leave_the_repository(owner, alice, repo, path):
    refused(commit(owner, repo, ("file", {"path": path, "content": "", "encoding": "base64"})))
    assert alice.list_repo_files(repo) == [".gitattributes"]


@pytest.mark.parametrize(
    "name",
    ["a--b", "..", ".hidden", "trailing.", "with space", "a/b/c", "x" * 97, "é", "a.git", "", None, 7, ["a"], "a\nb"],
)
def test_names_that_are_none(owner, name):
    refused(owner.post("/api/repos/create", json={"name": name}), 400)


@pytest.mark.parametrize("namespace", ["..", "a/b", "api", 7, "x" * 200])
def test_namespaces_that_are_none(owner, namespace):
    refused(owner.post("/api/repos/create", json={"name": "x", "organization": namespace}))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"[]", b'"text"', b"{" * 100_000, b'{"name": "\\ud800"}', b'{"name": 1e999}', b"\xff\xfe",
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_object(owner, body):
    refused(owner.post("/api/repos/create", content=body, headers=JSON), 400)


def test_bodies_that_are_too_large(owner):
    refused(owner.post("/api/repos/create", content=b" " * (5 << 20), headers=JSON), 413)

    def endless():
        for _ in range(8):
            yield b" " * (1 << 20)

    refused(owner.post("/api/repos/create", content=endless(), headers=JSON), 413)


@pytest.mark.parametrize(
    "body",
    [
        "", "{}\n", "nonsense\n", '{"key": "header", "value": []}\n', '{"key": "header"}\n',
        lines(("file", {"path": "a", "content": "", "encoding": "base64"})),
        lines(("header", {"summary": ""})),
        lines(("header", {"summary": 5})),
        lines(("header", {"summary": "x" * 100_000})),
        lines(("header", {"summary": "x"}), ("file", {"path": "a", "content": "%%%", "encoding": "base64"})),
        lines(("header", {"summary": "x"}), ("file", {"path": "a", "content": "a", "encoding": "rot13"})),
        lines(("header", {"summary": "x"}), ("file", {"path": "a", "content": {"a": 1}})),
        lines(("header", {"summary": "x"}), ("lfsFile", {"path": "a", "algo": "md5", "oid": "0" * 64})),
        lines(("header", {"summary": "x"}), ("lfsFile", {"path": "a", "algo": "sha256", "oid": "../../etc"})),
        lines(("header", {"summary": "x"}), ("lfsFile", {"path": "a", "algo": "sha256", "oid": "0" * 64})),
        lines(("header", {"summary": "x"}), ("chmod", {"path": "a"})),
        lines(("header", {"summary": "x"}), ("deletedFile", {"path": "absent"})),
        lines(("header", {"summary": "\ud800"})),
        lines(("header", {"summary": "x"}), ("file", {"path": "\ud800", "content": ""})),
    ],
)  # fmt: skip
def test_commits_that_are_none(owner, alice, repo, body):
    refused(owner.post(f"/api/models/{repo}/commit/main", content=body))
    assert len(alice.list_repo_commits(repo)) == 1


def test_a_message_cannot_forge_a_commit(owner, alice, repo):
    header = {"summary": "x\0y\nauthor mallory <m@m> 0 +0000", "description": "\n\ncommitter nobody"}
    assert commit(owner, repo, ("file", {"path": "a", "content": "1"}), header=header).status_code == 200
    assert alice.list_repo_commits(repo)[0].authors == ["alice"]


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/hub.sqlite3", "a%00b", "%ff%fe", "....//", "%2fetc%2fpasswd", "x" * 5000],
)
def test_downloads_that_would_leave_the_repository(owner, repo, path):
    refused(owner.get(f"/{repo}/resolve/main/{path}"))
    refused(owner.get(f"/api/models/{repo}/tree/main/{path}"))


@pytest.mark.parametrize(
    "revision", ["..%2f..%2fHEAD", "%00", "refs%2Fheads%2F..%2F..%2Fx", "HEAD%20", "-", "%ff", "*"]
)
def test_revisions_that_are_none(owner, repo, revision):
    for address in (f"/{repo}/resolve/{revision}/a", f"/api/models/{repo}/revision/{revision}"):
        refused(owner.get(address), 400, 404)
    refused(owner.post(f"/api/models/{repo}/branch/new", json={"startingPoint": revision}), 400, 404)


@pytest.mark.parametrize("name", ["a..b", "a b", "~", "^", "a.lock", ".a", "%00", "refs%2Fheads%2Fx", "x" * 300])
def test_refs_that_are_none(owner, repo, name):
    refused(owner.post(f"/api/models/{repo}/branch/{name}"))
    refused(owner.post(f"/api/models/{repo}/tag/main", json={"tag": name.replace("%00", "\0") + "~"}))


@pytest.mark.parametrize(
    "credentials", ["Bearer", "Basic", "Basic %%%", "Digest x", "Bearer \x01", "Bearer " + "x" * 5000]
)
def test_credentials_that_are_none(hub, credentials):
    refused(httpx2.get(f"{hub.endpoint}/api/models", headers={"Authorization": credentials}), 401)


def raw(hub, request):
    host, port = hub.endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer and (data := connection.recv(65536)):
            answer += data
    return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b'GET /api/models HTTP/1.1\r\nHost: evil/"><script>\r\nConnection: close\r\n\r\n',
        b"GET /api/models HTTP/1.1\r\nHost: user@host\r\nConnection: close\r\n\r\n",
        b"GET /api/models HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n",
        b"GET /api/models HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /api/models HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000,
        b"POST /api/repos/create HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/repos/create HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/repos/create HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    ],
)
def test_requests_that_are_no_http(hub, request_bytes):
    answer = raw(hub, request_bytes)
    assert answer.startswith(b"HTTP/1.1 4"), answer


def test_a_name_in_a_message_breaks_no_header(hub):
    answer = raw(hub, b"GET /api/x%0d%0aSet-Cookie:a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\nset-cookie" not in answer.lower()
    request_id = b"X-Request-Id: a\tb\r\n"
    answer = raw(hub, b"GET /api/models HTTP/1.1\r\nHost: a\r\n" + request_id + b"Connection: close\r\n\r\n")
    assert b"a\tb" not in answer


def upload_link(client, repo, data=b"\0" * 100, oid=None):
    import hashlib

    oid = oid or hashlib.sha256(data).hexdigest()
    objects = [{"oid": oid, "size": len(data)}]
    body = {"operation": "upload", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
    answer = client.post(f"/{repo}.git/info/lfs/objects/batch", json=body)
    return oid, answer.json()["objects"][0]["actions"]


def test_a_large_file_must_be_what_its_name_says(owner, alice, repo, hub):
    oid, actions = upload_link(owner, repo, b"\0" * 100, oid="ab" * 32)
    refused(httpx2.put(actions["upload"]["href"], content=b"\0" * 100), 400)
    refused(httpx2.put(actions["upload"]["href"], content=b"\0" * 99), 400)
    refused(httpx2.put(actions["upload"]["href"], content=b"\0" * 101), 413)
    refused(httpx2.post(actions["verify"]["href"], json={"oid": oid, "size": 100}), 404)
    assert not (hub.root / "objects" / "ab").exists()
    assert not list((hub.root / "incoming").iterdir())


def test_an_upload_link_is_good_for_one_object_and_not_for_ever(owner, repo, hub, monkeypatch):
    import rshub.localhub.signing

    oid, actions = upload_link(owner, repo, b"\1" * 100)
    href = actions["upload"]["href"]
    refused(httpx2.put(href.replace(oid, "cd" * 32), content=b"\1" * 100), 403)
    refused(httpx2.put(href[:-2], content=b"\1" * 100), 403)
    refused(httpx2.put(href.split("?")[0], content=b"\1" * 100), 403)
    refused(httpx2.get(href.replace("/upload/", "/download/")), 403)
    now = rshub.localhub.signing.time.time()
    with monkeypatch.context() as patch:
        patch.setattr(rshub.localhub.signing.time, "time", lambda: now + 7200)
        refused(httpx2.put(href, content=b"\1" * 100), 403)
    assert httpx2.put(href, content=b"\1" * 100).status_code == 200


def eventually(holds, seconds=30):
    import time

    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


def test_an_upload_that_breaks_off_leaves_nothing(owner, repo, hub):
    def under_way():
        return list((hub.root / "incoming").iterdir())

    _, actions = upload_link(owner, repo, b"\2" * 1000)
    path = actions["upload"]["href"].removeprefix(hub.endpoint)
    host = hub.endpoint.removeprefix("http://")
    with socket.create_connection(host.split(":")) as connection:
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n".encode() + b"\2" * 500
        )
        eventually(under_way)
    eventually(lambda: not under_way())
    refused(httpx2.post(actions["verify"]["href"]), 404)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"operation": "delete", "objects": []}, {"operation": "upload", "objects": [{}]},
        {"operation": "upload", "objects": [{"oid": "../x", "size": 1}]},
        {"operation": "upload", "objects": [{"oid": "0" * 64, "size": -1}]},
        {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}] * 2000},
        {"operation": "upload", "objects": [], "hash_algo": "sha1"},
    ],
)  # fmt: skip
def test_lfs_batches_that_are_none(owner, repo, body):
    refused(owner.post(f"/{repo}.git/info/lfs/objects/batch", json=body), 400)


def xet(client, repo):
    token = client.get(f"/api/models/{repo}/xet-write-token/main").json()
    return token["casUrl"], {"Authorization": f"Bearer {token['accessToken']}"}


def test_the_xet_store_takes_nothing_without_its_own_token(owner, repo, token_for):
    address, headers = xet(owner, repo)
    xorb = f"{address}/v1/xorbs/default/{'0' * 64}"
    refused(httpx2.post(xorb, content=b"x"), 401)
    refused(httpx2.post(xorb, content=b"x", headers={"Authorization": f"Bearer {token_for('alice')}"}), 401)
    refused(httpx2.post(xorb.replace("/cas/", "/cas/0"), content=b"x", headers=headers), 404)
    refused(owner.get("/api/models", headers=headers), 401)


def test_malformed_xorbs_and_shards(owner, repo):
    address, headers = xet(owner, repo)

    def send(path, content):
        return refused(httpx2.post(f"{address}/v1/{path}", content=content, headers=headers), 400)

    for content in (b"", b"x", b"\0" * 8, b"\0\xff\xff\xff\0\xff\xff\xff", b"\0\1\0\0\x09\1\0\0x", b"XETBLOB\1"):
        send(f"xorbs/default/{'1' * 64}", content)
    send("xorbs/default/short", b"\0\1\0\0\0\1\0\0x")
    tag = b"HFRepoMetaData".ljust(48, b"\0")
    unknown = b"\1" * 32 + (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0" * 8
    segment = b"\2" * 32 + b"\0" * 4 + (1).to_bytes(4, "little") + b"\0" * 4 + (1).to_bytes(4, "little")
    for content in (b"", b"x" * 100, tag, tag + b"\0" * 10, tag + b"\1" * 48, tag + unknown + segment + b"\xff" * 48):
        send("shards", content)


def test_a_shard_cannot_lie_about_its_sha256(owner, repo, hub):
    address, headers = xet(owner, repo)
    xorb = b"\0\1\0\0\0\1\0\0x"
    sent = httpx2.post(f"{address}/v1/xorbs/default/{'3' * 64}", content=xorb, headers=headers)
    assert sent.json() == {"was_inserted": True}
    name = b"".join(int("3" * 16, 16).to_bytes(8, "little") for _ in range(4))
    file = b"\1" * 32 + (1 << 30).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0" * 8
    segment = name + b"\0" * 4 + (1).to_bytes(4, "little") + b"\0" * 4 + (1).to_bytes(4, "little")
    lie = b"\4" * 32 + b"\0" * 16
    shard = b"HFRepoMetaData".ljust(48, b"\0") + file + segment + lie + b"\xff" * 48
    answer = refused(httpx2.post(f"{address}/v1/shards", content=shard, headers=headers), 400)
    assert "sha256" in answer.text
    assert not list((hub.root / "incoming").iterdir())


@pytest.mark.parametrize(
    "readme",
    [
        "---\n" + "[" * 50_000 + "\n---\n",
        "---\na: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n"
            for p, c in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + "---\n",
        "---\nbase_model: {a: [1]}\ntags: 7\nlicense: [[x]]\nlanguage: no\ndate: 2026-99-99\n---\n",
        "---\nx: !!python/object/apply:os.system [id]\n---\n",
        "---\nbase_model: 2026-01-01\nx: .nan\n? [1, 2]\n: 3\n---\n",
        "---\n" + "a: " + "x" * 300_000 + "\n---\n",
        "--- \n\0\n---\n",
        '---\nx: "\\ud800"\ntags: ["\\udfff", 1e999]\n---\n',
        "---\nx: 0x" + "f" * 60_000 + "\n---\n",
        "---\nbase_model_relation: [x]\nbase_model: [[[[x]]]]\nlibrary_name: {}\n---\n",
    ],
)
def test_cards_that_would_hurt(owner, alice, repo, readme):
    content = base64.b64encode(readme.encode()).decode()
    sent = commit(owner, repo, ("file", {"path": "README.md", "content": content, "encoding": "base64"}))
    assert sent.status_code == 200
    assert alice.model_info(repo).id == repo
    assert owner.post("/api/validate-yaml", json={"content": readme, "repoType": "model"}).status_code in {200, 400}


@pytest.mark.parametrize(
    "config",
    [
        b"NaN", b'{"model_type": NaN}', b'{"architectures": [1e999]}', b"[" * 100_000, b"\xff",
        b'{"model_type": "\\ud800"}', b'{"quantization_config": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"model_type": ' + b"9" * 5000 + b"}",
    ],
    ids=range(8),
)  # fmt: skip
def test_configurations_that_would_hurt(owner, alice, repo, config):
    content = base64.b64encode(config).decode()
    names = ("config.json", "adapter_config.json")
    files = [("file", {"path": name, "content": content, "encoding": "base64"}) for name in names]
    assert commit(owner, repo, *files).status_code == 200
    assert alice.model_info(repo).id == repo


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [10**400, 10**400]}},
        {
            "w": {"dtype": "F32", "shape": [-1]},
            "x": 7,
            "y": {"dtype": [], "shape": 1},
            "z": {"dtype": "F32", "shape": ["a"]},
        },
        {"w": {"dtype": "F32" * 1000, "shape": [1]}, "v": {"dtype": "F32", "shape": [1] * 10_000}},
        [1, 2],
    ],
)
def test_tensor_headers_that_lie(alice, repo, header):
    data = json.dumps(header).encode()
    for length in (len(data), 2**63, 0):
        content = length.to_bytes(8, "little") + data
        alice.upload_file(path_or_fileobj=content, path_in_repo="a.safetensors", repo_id=repo)
        assert alice.model_info(repo).safetensors is None


def test_a_page_of_the_hub_runs_nothing_that_a_repository_holds(owner, alice, repo, hub):
    alice.upload_file(path_or_fileobj=b"<script>", path_in_repo="a.html", repo_id=repo)
    answer = httpx2.get(hf_hub_url(repo, "a.html", endpoint=hub.endpoint))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_git_request_that_unpacks_to_too_much(owner, repo):
    bomb = gzip.compress(b"0" * (50 << 20))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-git-upload-pack-request"}
    refused(owner.post(f"/{repo}/git-upload-pack", content=bomb, headers=headers), 413)
    refused(owner.post(f"/{repo}/git-upload-pack", content=b"no gzip", headers=headers), 400)


def test_forms_with_too_many_fields(owner, repo):
    body = "&".join(f"paths=p{number}" for number in range(20_000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(owner.post(f"/api/models/{repo}/paths-info/main", content=body, headers=headers), 400)


def test_what_is_out_of_scope_says_so(owner, repo):
    for method, path in [
        ("GET", "/api/collections"),
        ("POST", "/api/settings/webhooks"),
        ("GET", "/api/jobs/alice"),
        ("POST", f"/api/models/{repo}/super-squash/main"),
        ("GET", f"/api/models/{repo}/xet-read-token/main"),
    ]:
        assert "does not offer" in refused(owner.request(method, path), 501).headers["X-Error-Message"]
