"""Users, tokens and roles."""

import re
import sqlite3

import pytest

from rshub.localhub import LocalHubError, access, add_user
from rshub.localhub.accounts import ANONYMOUS, Identity, identify
from rshub.localhub.database import Database
from rshub.localhub.errors import Refusal
from rshub.localhub.layout import prepare
from rshub.localhub.repos import HubRepo


@pytest.fixture
def root(tmp_path):
    return tmp_path / "new" / "root"


def who(root, token):
    database = Database(prepare(root).database)
    try:
        return identify(database, token)
    finally:
        database.close()


def test_a_token_is_shown_once_and_looks_like_one(root):
    token = add_user(root, "alice")
    assert re.fullmatch(r"hf_[A-Za-z0-9]{34}", token)
    with sqlite3.connect(root / "hub.sqlite3") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "alice" in dump
    assert token not in dump
    assert (root / "hub.sqlite3").stat().st_mode & 0o077 == 0
    assert root.stat().st_mode & 0o077 == 0


def test_a_user_added_again_has_two_tokens(root):
    first, second = add_user(root, "alice"), add_user(root, "ALICE", role="read")
    assert first != second
    assert (who(root, first).user, who(root, first).role) == ("alice", "write")
    assert (who(root, second).user, who(root, second).role) == ("alice", "read")
    assert who(root, "hf_unknown") is None


def test_a_given_token_is_kept_and_belongs_to_one_user(root):
    assert add_user(root, "alice", token="hf_alice") == "hf_alice"
    assert add_user(root, "alice", token="hf_alice", role="read") == "hf_alice"
    assert who(root, "hf_alice").role == "read"
    with pytest.raises(LocalHubError, match="another user"):
        add_user(root, "bob", token="hf_alice")


def test_memberships_grow_and_change(root):
    token = add_user(root, "alice", orgs=[("Soups", "read")])
    add_user(root, "alice", orgs=[("soups", "admin"), ("other", "contributor")])
    identity = who(root, token)
    assert identity.orgs == {"soups": "admin", "other": "contributor"}
    assert identity.org_names == ("other", "Soups")


@pytest.mark.parametrize("name", ["", ".", "a b", "a/b", "api", "x" * 97, "-a", "a--b", "é", "a\n"])
def test_unusable_names(root, name):
    with pytest.raises(LocalHubError, match="not a usable account name"):
        add_user(root, name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"role": "owner"}, {"role": "contributor"}, {"orgs": [("soups", "owner")]}, {"orgs": [("a b", "read")]},
        {"token": "short"}, {"token": "with a space"}, {"token": "x" * 300}, {"token": "hf_\n12345678"},
    ],
)  # fmt: skip
def test_unusable_arguments(root, arguments):
    with pytest.raises(LocalHubError):
        add_user(root, "alice", **arguments)


def test_a_name_is_a_user_or_an_organisation(root):
    add_user(root, "alice", orgs=[("soups", "write")])
    with pytest.raises(LocalHubError, match="organisation"):
        add_user(root, "soups")
    with pytest.raises(LocalHubError, match="already the name of a user"):
        add_user(root, "bob", orgs=[("alice", "write")])


def test_a_root_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LocalHubError, match="cannot be used"):
        add_user(tmp_path / "file", "alice")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "hub.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(LocalHubError, match="database"):
        add_user(tmp_path / "root", "alice")


def test_a_newer_database_is_left_alone(root):
    add_user(root, "alice")
    connection = sqlite3.connect(root / "hub.sqlite3")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LocalHubError, match="newer"):
        add_user(root, "bob")


def repo(**fields):
    given = {"namespace": "soups", "private": False, "gated": None, **fields}
    times = {"created_at": "", "modified_at": ""}
    return HubRepo(serial=1, key="k", kind="model", name="x", sdk=None, **times, **given)


def member(role, token="write"):
    return Identity(user="alice", role=token, orgs={"soups": role}, org_names=("soups",))


OWNER = Identity(user="Soups", role="write")
STRANGER = Identity(user="bob", role="admin")


@pytest.mark.parametrize(
    ("identity", "reads_private", "reads_gated", "writes"),
    [
        (ANONYMOUS, False, False, False),
        (STRANGER, False, False, False),
        (OWNER, True, True, True),
        (Identity(user="soups", role="read"), True, True, False),
        (member("read"), True, False, False),
        (member("contributor"), True, False, False),
        (member("write"), True, True, True),
        (member("admin"), True, True, True),
        (member("admin", token="read"), True, True, False),
    ],
)
def test_who_may_do_what(identity, reads_private, reads_gated, writes):
    assert access.can_read(identity, repo())
    assert access.can_read_files(identity, repo())
    assert access.can_read(identity, repo(private=True)) == reads_private
    assert access.can_read_files(identity, repo(gated="auto")) == reads_gated
    assert access.can_write_namespace(identity, "soups") == writes


def test_a_hidden_repository_looks_like_an_absent_one():
    for identity, status in ((ANONYMOUS, 401), (STRANGER, 404)):
        answers = []
        for found in (None, repo(private=True)):
            with pytest.raises(Refusal) as caught:
                access.require_read(identity, found)
            answers.append((caught.value.status, caught.value.code, caught.value.message, caught.value.headers))
        assert answers[0] == answers[1]
        assert answers[0][:2] == (status, "RepoNotFound")
