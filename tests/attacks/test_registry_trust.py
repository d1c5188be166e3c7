"""What others publish, and what a careless moment sends: nothing leaks, nothing runs, nothing is taken on trust."""

import http.server
import json
import threading

import pytest

from rshub.errors import HubError, Incompatible, IntegrityError, InvalidInput, NotFound
from rshub.experts.browse import ls
from rshub.experts.publish import publish
from rshub.hub.client import Hub
from rshub.soups.compose import compose
from rshub.soups.lock import SoupLock
from rshub.soups.resolve import resolve
from rshub.soups.verify import verify
from tests.tiny_models import load_folder


@pytest.fixture
def pair(registry):
    registry.expert("ada/recall", "recall", spec="metric:rouge1.recall")
    registry.expert("ben/precision", "precision", spec="metric:rouge1.precision")
    return registry


def cook(registry, out, what="recall=0.25, precision=0.75", **options):
    base = None if what.endswith(".json") else options.pop("base", "lab/base")
    return compose(what, base=base, out=out, endpoint=registry.endpoint, **options)


@pytest.mark.parametrize("token", ["", "hf_secret secret", "hf_secret\nX-Evil: 1", "hf_sécret", "hf_secret\x00"])
def test_a_token_that_cannot_be_one_is_refused_and_never_repeated(token):
    with pytest.raises(InvalidInput) as caught:
        Hub("http://127.0.0.1:9", token)
    assert "secret" not in str(caught.value.to_json())


def test_a_token_read_from_a_file_may_end_in_a_newline(registry):
    assert Hub(registry.endpoint, registry.tokens["ada"] + "\n").whoami() == "ada"


def test_a_password_in_an_endpoint_is_not_shown():
    with pytest.raises(HubError) as caught:
        Hub("http://me:hunter2@127.0.0.1:9").list_models()
    assert "hunter2" not in str(caught.value.to_json())


class _NoHub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>please log in</html>" if "resolve" not in self.path else bytes(range(256)) * 64)

    do_HEAD = do_GET  # noqa: N815 - the server library's word

    def log_message(self, *_):
        pass


@pytest.fixture
def portal():
    """A server that answers everything with a page, and ranges with the whole file."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_login_page_is_no_hub(portal):
    for ask in (lambda: ls(endpoint=portal), lambda: Hub(portal).info("a/b"), lambda: Hub(portal, "hf_x").whoami()):
        with pytest.raises(HubError, match="no hub"):
            ask()


def test_a_server_that_knows_no_ranges_still_gives_the_right_bytes(portal):
    data = bytes(range(256)) * 64
    assert Hub(portal).read_range("a/b", "x", commit="main", start=300, length=700) == data[300:1000]


def test_a_lock_of_a_stranger_reads_no_file_of_ours(pair, tmp_path):
    cook(pair, tmp_path / "soup", push="ada/soup", token=pair.tokens["ada"])
    document = json.loads((tmp_path / "soup" / "soup.lock.json").read_text())
    for name in ("/dev/zero", "../../../../etc/hostname", "a/../../b"):
        evil = json.dumps(document | {"outputs": {name: "0" * 64}}).encode()
        pair.hub().commit("ada/soup", {"soup.lock.json": evil}, message="evil")
        with pytest.raises(InvalidInput, match="file name"):
            verify("ada/soup@main", endpoint=pair.endpoint)
    local = document | {"base": {"path": "/etc", "files": {"hostname": "0" * 64}}}
    pair.hub().commit("ada/soup", {"soup.lock.json": json.dumps(local).encode()}, message="local")
    checks = verify("ada/soup@main", endpoint=pair.endpoint).checks
    assert [check.ok for check in checks if check.name == "pins"] == [None]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("experts", 0, "tag"), "v1 |\n\n<img src=x onerror=alert(1)>"),
        (("experts", 0, "repo_id"), "a/b`$(touch pwned)`"),
        (("base", "repo_id"), "not a repo"),
    ],
)
def test_words_that_would_act_in_a_card_are_no_part_of_a_lock(pair, tmp_path, path, value):
    cook(pair, tmp_path / "soup")
    document = json.loads((tmp_path / "soup" / "soup.lock.json").read_text())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(InvalidInput):
        SoupLock.from_bytes(json.dumps(document).encode())


def test_a_folder_with_a_strange_name_is_quoted_in_the_card_s_command(pair, tmp_path):
    strange = tmp_path / "a $(touch pwned) `b`"
    pair.tiny.adapter(seed=80).folder.rename(strange)
    cook(pair, tmp_path / "soup", f'"{strange}"=1', base=str(pair.base_folder))
    card = (tmp_path / "soup" / "README.md").read_text()
    (command,) = [line for line in card.splitlines() if line.startswith("rshub compose") and "other" in line]
    assert f"'\"{strange}\"=1'" in command


def test_an_expert_is_not_published_over_a_model(pair):
    adapter = pair.tiny.adapter(seed=81)
    with pytest.raises(InvalidInput, match="holds something else"):
        publish(adapter.folder, "lab/base", reward="recall", endpoint=pair.endpoint, token=pair.tokens["ada"],
                base="lab/base")  # fmt: skip
    assert pair.hub().info("lab/base").commit == pair.base


def test_a_soup_of_something_private_is_private(pair, tmp_path):
    pair.expert("ada/secret", "kindness", private=True)
    token = pair.tokens["ada"]
    cook(pair, tmp_path / "soup", "kindness=0.5, recall=0.5", push="ada/soup", token=token)
    assert pair.hub().info("ada/soup").private
    pair.hub().create_repo("ada/open")
    with pytest.raises(InvalidInput, match="is public"):
        cook(pair, tmp_path / "other", "kindness=0.5, recall=0.5", push="ada/open", token=token)
    assert (tmp_path / "other" / "model.safetensors").exists()


def test_no_reward_takes_the_name_of_the_start(pair):
    done = pair.expert("ada/sly", "sly", version="1.0.0")
    document = done.manifest.to_json()
    document["reward"]["name"] = "init"
    pair.hub().commit("ada/sly", {"expert.json": json.dumps(document).encode()}, message="sly")
    with pytest.raises(IntegrityError, match="init"):
        resolve("ada/sly@main=0.8, init=0.2", base="lab/base", endpoint=pair.endpoint)


def test_an_init_is_held_against_the_digest_that_names_the_lineage(pair):
    pair.plain_adapter("ada/sft", pair.tiny.adapter(seed=82))
    other = pair.plain_adapter("ben/other", pair.tiny.adapter(seed=83))
    done = pair.expert("ada/on-sft", "wise", init="adapter:ada/sft")
    document = done.manifest.to_json()
    document["init"] |= {"repo_id": "ben/other", "revision": other}
    made = pair.hub().commit("ada/on-sft", {"expert.json": json.dumps(document).encode()}, message="swapped")
    with pytest.raises(IntegrityError, match="another sha256"):
        resolve(f"ada/on-sft@{made.commit}=1", base="lab/base", endpoint=pair.endpoint)


def test_nothing_of_experts_that_continue_an_adapter_is_that_adapter(pair, tmp_path):
    pair.plain_adapter("ada/sft", pair.tiny.adapter(seed=84))
    pair.expert("ada/wise", "wise", init="adapter:ada/sft")
    cook(pair, tmp_path / "soup", "wise=0, init=1")
    wanted = pair.tiny.dense(pair.base_folder, [(pair.adapters["ada/sft"], 1.0)])
    for name, values in load_folder(tmp_path / "soup").items():
        assert abs(values - wanted[name]).max() < 1e-6
    with pytest.raises(InvalidInput, match="nosuch"):
        cook(pair, tmp_path / "typo", "nosuch=0, recall=1")


def test_a_lock_obeys_a_policy_and_takes_no_second_thoughts(pair, tmp_path):
    cook(pair, tmp_path / "soup")
    lock = str(tmp_path / "soup" / "soup.lock.json")
    policy = tmp_path / "policy.json"
    policy.write_text('{"schema": "rshub.policy/1", "deny": ["ben/*"]}')
    with pytest.raises(Incompatible, match="denies"):
        cook(pair, tmp_path / "again", lock, policy=policy)
    with pytest.raises(NotFound):
        cook(pair, tmp_path / "again", lock, policy=tmp_path / "nope.json")
    for more in ({"mapping": "payoff"}, {"units": "raw"}, {"scores": policy}, {"extrapolate": True}):
        with pytest.raises(InvalidInput, match="decided"):
            cook(pair, tmp_path / "again", lock, **more)
    assert not (tmp_path / "again").exists()


def test_an_adapter_s_base_is_held_against_its_lock(pair, tmp_path):
    cook(pair, tmp_path / "soup", format="adapter")
    document = json.loads((tmp_path / "soup" / "soup.lock.json").read_text())
    for files in ({"model.safetensors": "0" * 64}, {"nothing.safetensors": "0" * 64}):
        document["base"]["files"] = files
        (tmp_path / "x.json").write_text(json.dumps(document))
        with pytest.raises(IntegrityError, match="other weights"):
            cook(pair, tmp_path / "again", str(tmp_path / "x.json"))


def test_verify_does_not_praise_what_it_did_not_look_at(pair, tmp_path):
    cook(pair, tmp_path / "loose", digests=False)
    (check,) = [check for check in verify(str(tmp_path / "loose"), endpoint=pair.endpoint).checks if check.ok is None]
    assert check.name == "outputs"
    cook(pair, tmp_path / "soup")
    for path in (tmp_path / "soup").iterdir():
        if path.name != "soup.lock.json":
            path.unlink()
    assert not verify(str(tmp_path / "soup"), endpoint=pair.endpoint).ok
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="nothing in it"):
        verify(str(tmp_path / "empty"), endpoint=pair.endpoint)


def test_a_spec_of_a_kind_we_do_not_score_is_accepted_and_a_misspelt_one_is_not(pair):
    pair.expert("ada/kind", "kind", spec="hf:org/reward-model#label=1")
    assert verify("ada/kind", endpoint=pair.endpoint).ok
    with pytest.raises(InvalidInput, match=r"rouge1\.recall"):
        pair.expert("ada/typo", "typo", spec="metric:rouge1.recal")


def test_a_local_base_is_pinned_with_all_that_goes_with_it(pair, tmp_path):
    local = pair.tiny.adapter(seed=85)
    base = pair.tiny.base()
    cook(pair, tmp_path / "soup", f"{local.folder}=1", base=str(base))
    lock = str(tmp_path / "soup" / "soup.lock.json")
    (base / "vocab.json").write_text("{}")  # what came later is no part of the soup
    again = cook(pair, tmp_path / "again", lock)
    assert "vocab.json" not in again.report.files
    (base / "config.json").write_text('{"rope_theta": 2}')
    with pytest.raises(IntegrityError, match=r"config\.json.*pinned"):
        cook(pair, tmp_path / "third", lock)


def test_a_publisher_who_changes_the_spec_does_not_block_the_reward(pair):
    pair.expert("ada/recall", "recall", spec="metric:rouge1.fmeasure", adapter=pair.tiny.adapter(seed=86))
    found = resolve("recall=1", base="lab/base", endpoint=pair.endpoint)
    assert found.to_json()["chosen"][0]["tag"] == "v1.1.0"


def test_weights_of_which_the_manifest_says_nothing_are_not_used(pair):
    done = pair.expert("ada/quiet", "quiet")
    document = done.manifest.to_json()
    del document["artefact"]["files"]["adapter_model.safetensors"]
    other = pair.tiny.adapter(seed=91).folder / "adapter_model.safetensors"
    files = {"expert.json": json.dumps(document).encode(), "adapter_model.safetensors": other}
    made = pair.hub().commit("ada/quiet", files, message="quiet")
    with pytest.raises(IntegrityError, match="names no tensors"):
        resolve(f"ada/quiet@{made.commit}=1", base="lab/base", endpoint=pair.endpoint)
    checked = verify(f"ada/quiet@{made.commit}", endpoint=pair.endpoint)
    assert [check.name for check in checked.checks if check.ok is False] == ["claims"]
