"""The hub as rshub sees it, over the embedded hub and the real client."""

import hashlib

import pytest

from rshub.errors import HubError, IntegrityError, InvalidInput, NotFound, OutputError
from rshub.hub.client import Hub

CARD = b"---\nlicense: mit\ntags: [x-tag, y-tag]\n---\n# Hello\n"


@pytest.fixture
def hub(registry):
    made = registry.hub()
    made.create_repo("ada/things")
    made.commit("ada/things", {"README.md": CARD, "a/b.json": b'{"x": 1}', "w.safetensors": bytes(1000)}, message="one")
    return made


def test_a_repo_is_looked_at_with_sizes_and_digests(hub):
    info = hub.info("ada/things")
    assert len(info.commit) == 40
    assert info.files["a/b.json"].size == 8
    assert info.files["w.safetensors"].size == 1000
    assert info.files["w.safetensors"].sha256 == hashlib.sha256(bytes(1000)).hexdigest()
    assert info.files["README.md"].sha256 is None
    assert info.private is False


def test_only_the_named_files_come(hub):
    commit = hub.info("ada/things").commit
    folder = hub.download("ada/things", ["a/b.json"], commit=commit)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["b.json"]
    assert (folder / "a" / "b.json").read_bytes() == b'{"x": 1}'


def test_a_range_is_read_without_the_rest(hub):
    commit = hub.info("ada/things").commit
    data = bytes(range(256)) * 4
    done = hub.commit("ada/things", {"w.safetensors": data}, message="two", parent_commit=commit)
    assert hub.read_range("ada/things", "w.safetensors", commit=done.commit, start=250, length=20) == data[250:270]
    assert hub.read_range("ada/things", "w.safetensors", commit=commit, start=0, length=8) == bytes(8)


def test_a_file_that_is_too_large_is_not_fetched(hub):
    commit = hub.info("ada/things").commit
    with pytest.raises(IntegrityError, match="more than the 4"):
        hub.read("ada/things", "a/b.json", commit=commit, max_bytes=4)
    with pytest.raises(NotFound):
        hub.read("ada/things", "nothing.json", commit=commit, max_bytes=4)


def test_listing_is_by_all_tags_and_by_author(hub, registry):
    registry.hub("ben").create_repo("ben/other")
    registry.hub("ben").commit("ben/other", {"README.md": b"---\ntags: [x-tag]\n---\n"}, message="one")
    assert [summary.repo_id for summary in hub.list_models(tags=["x-tag"])] == ["ada/things", "ben/other"]
    assert [summary.repo_id for summary in hub.list_models(tags=["x-tag", "y-tag"])] == ["ada/things"]
    assert [summary.repo_id for summary in hub.list_models(tags=["x-tag"], author="ben")] == ["ben/other"]


def test_a_stale_parent_is_refused_and_changes_nothing(hub):
    first = hub.info("ada/things").commit
    second = hub.commit("ada/things", {"c.txt": b"c"}, message="two").commit
    with pytest.raises(HubError) as caught:
        hub.commit("ada/things", {"d.txt": b"d"}, message="three", parent_commit=first)
    assert caught.value.can_retry
    assert hub.info("ada/things").commit == second


def test_files_are_deleted_in_the_same_commit(hub):
    hub.commit("ada/things", {"c.txt": b"c"}, message="two", delete=["a/b.json"])
    assert set(hub.info("ada/things").files) == {".gitattributes", "README.md", "c.txt", "w.safetensors"}


def test_a_tag_is_put_once(hub):
    commit = hub.info("ada/things").commit
    hub.tag("ada/things", "v1.0.0", revision=commit, message="first")
    assert hub.refs("ada/things").tags == {"v1.0.0": commit}
    with pytest.raises(HubError) as caught:
        hub.tag("ada/things", "v1.0.0", revision=commit)
    assert not caught.value.can_retry


def test_who_is_asking_decides_what_is_there(hub, registry):
    assert hub.whoami() == "ada"
    hub.create_repo("ada/secret", private=True)
    assert registry.hub("ada").exists("ada/secret")
    assert not registry.hub("ben").exists("ada/secret")
    with pytest.raises(NotFound):
        registry.hub("ben").info("ada/secret")
    with pytest.raises(NotFound):
        registry.hub("ben").commit("ada/things", {"x": b"x"}, message="mine now")
    with pytest.raises(NotFound, match="token"):
        Hub(registry.endpoint, "hf_wrong").whoami()


def test_who_may_write_or_create_is_known_without_doing_it(hub, registry):
    """What is said beforehand is what the server does when it is tried."""
    registry.hub("ben").create_repo("lab/shared", repo_type="dataset")
    reader = Hub(registry.endpoint, registry.served.add_user("rea", role="read", orgs=[("lab", "read")]))
    onlooker = Hub(registry.endpoint, registry.served.add_user("ola", orgs=[("lab", "read")]))
    nobody = Hub(registry.endpoint, "hf_wrong")
    asked = {"ada": hub, "ben": registry.hub("ben"), "rea": reader, "ola": onlooker, "nobody": nobody}
    places = ("ada/things", "lab/shared", "ada/new", "lab/new", "ben/new", "rea/new", "ola/new")
    allowed = {"ada": {"ada/things", "lab/shared", "ada/new", "lab/new"}, "ola": {"ola/new"}}
    allowed["ben"] = {"lab/shared", "lab/new", "ben/new"}
    for who, client in asked.items():
        for place in places:
            kind = "dataset" if place == "lab/shared" else "model"
            if place in allowed.get(who, ()):
                client.check_write(place, repo_type=kind)
            else:
                with pytest.raises(NotFound):
                    client.check_write(place, repo_type=kind)
    assert not any(hub.exists(place) for place in places if place.endswith("/new"))
    for who, client in asked.items():
        for place in ("ada/new", "lab/new", "ben/new", "rea/new", "ola/new"):
            number = place.replace("/new", f"/by-{who}")
            if place in allowed.get(who, ()):
                client.create_repo(number)
            else:
                with pytest.raises(NotFound):
                    client.create_repo(number)


def test_a_repo_that_is_there_need_not_be_one_that_can_be_created(hub, registry):
    registry.hub("ben").create_repo("ada/things")
    assert "README.md" in hub.info("ada/things").files


def test_what_is_no_name_or_no_server_is_said_at_once(registry):
    with pytest.raises(InvalidInput):
        registry.hub().info("not a repo")
    nobody = Hub("http://127.0.0.1:9")
    with pytest.raises(HubError, match="no connection"):
        nobody.list_models(tags=["x"])
    with pytest.raises(HubError, match="no connection"):
        nobody.info("ada/things")


def test_a_cache_that_cannot_be_written_is_an_output_error(hub, monkeypatch, tmp_path):
    import huggingface_hub.constants as theirs

    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(theirs, "HF_HUB_CACHE", str(blocked / "cache"))
    with pytest.raises(OutputError):
        hub.download("ada/things", ["a/b.json"], commit=hub.info("ada/things").commit)
