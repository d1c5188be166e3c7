"""Who one is, and what tokens and roles allow."""

import subprocess
import sys

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError


def status_of(call, *args, **kwargs):
    with pytest.raises(HfHubHTTPError) as caught:
        call(*args, **kwargs)
    return caught.value.response.status_code


def test_whoami_names_the_user_the_organisations_and_the_role(alice, api_for):
    me = alice.whoami()
    assert (me["name"], me["type"]) == ("alice", "user")
    assert [org["name"] for org in me["orgs"]] == ["soups"]
    assert me["auth"]["accessToken"]["role"] == "write"
    assert api_for("alice:read").whoami()["auth"]["accessToken"]["role"] == "read"


def test_a_wrong_token_is_refused_even_for_public_things(hub, repo):
    stranger = HfApi(endpoint=hub.endpoint, token="hf_not_a_token_of_this_hub")
    assert status_of(stranger.whoami) == 401
    assert status_of(stranger.model_info, repo) == 401
    assert status_of(lambda: list(stranger.list_models())) == 401


def test_nobody_reads_public_repositories_and_writes_nothing(nobody, repo):
    assert nobody.model_info(repo).id == repo
    assert status_of(nobody.create_repo, "alice/other") == 401
    assert status_of(nobody.upload_file, path_or_fileobj=b"x", path_in_repo="a", repo_id=repo) == 401


def test_a_token_that_reads_does_not_write(api_for, repo):
    reader = api_for("alice:read")
    assert reader.model_info(repo).id == repo
    assert status_of(reader.upload_file, path_or_fileobj=b"x", path_in_repo="a", repo_id=repo) == 403
    assert status_of(reader.create_tag, repo, tag="v1") == 403
    assert status_of(reader.delete_repo, repo) == 403


@pytest.mark.parametrize("person", ["bob", "carol", "dave"])
def test_only_writers_of_an_organisation_write_in_it(alice, api_for, fresh_id, person):
    repo_id = fresh_id("soups")
    alice.create_repo(repo_id)
    other = api_for(person)
    assert status_of(other.create_repo, fresh_id("soups")) == 403
    assert status_of(other.upload_file, path_or_fileobj=b"x", path_in_repo="a", repo_id=repo_id) == 403
    assert status_of(other.delete_repo, repo_id) == 403
    assert status_of(other.update_repo_settings, repo_id, private=True) == 403
    assert status_of(other.create_branch, repo_id, branch="mine") == 403
    alice.upload_file(path_or_fileobj=b"x", path_in_repo="a", repo_id=repo_id)


def test_members_of_an_organisation_read_its_private_repositories(alice, api_for, fresh_id):
    repo_id = fresh_id("soups")
    alice.create_repo(repo_id, private=True)
    for member in ("alice", "carol", "dave"):
        assert api_for(member).model_info(repo_id).private
    with pytest.raises(RepositoryNotFoundError):
        api_for("bob").model_info(repo_id)


def test_nobody_creates_repositories_under_another_name(bob):
    assert status_of(bob.create_repo, "alice/mine-now") == 403
    assert status_of(bob.create_repo, "nowhere/mine-now") == 403


def test_a_user_added_by_another_process_can_log_in_at_once(hub):
    code = "import sys; from rshub.localhub import add_user; print(add_user(sys.argv[1], 'erin'))"
    token = subprocess.run(
        [sys.executable, "-c", code, hub.root], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert HfApi(endpoint=hub.endpoint, token=token).whoami()["name"] == "erin"


def test_no_token_is_stored_or_logged(hub, token_for, repo, caplog):
    token = token_for("alice")
    HfApi(endpoint=hub.endpoint, token=token).model_info(repo)
    stored = b"".join(path.read_bytes() for path in hub.root.glob("hub.sqlite3*"))
    assert b"alice" in stored
    assert token.encode() not in stored
    assert token not in caplog.text


def test_overviews(alice):
    assert alice.get_user_overview("alice").username == "alice"
    assert alice.get_organization_overview("soups").name == "soups"
    assert status_of(alice.get_user_overview, "nobody-of-that-name") == 404
