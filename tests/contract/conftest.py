"""A hub for the whole session, people who use it, and the unmodified client to reach it with."""

import itertools

import pytest
from huggingface_hub import HfApi, constants

from rshub.localhub import LocalHub


def pytest_configure(config):
    """The client's own LFS upload uses a call that its HTTP library calls outdated."""
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=:DeprecationWarning")


PEOPLE = {
    "alice": {"orgs": [("soups", "write")]},
    "bob": {},
    "carol": {"orgs": [("soups", "contributor")]},
    "dave": {"orgs": [("soups", "read")]},
}


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    with LocalHub(tmp_path_factory.mktemp("hub") / "root") as running:
        yield running


@pytest.fixture(scope="session")
def token_for(hub):
    """Return a token of a person (`alice`), or one that only reads (`alice:read`)."""
    tokens = {}

    def token(person):
        if person not in tokens:
            name, _, role = person.partition(":")
            tokens[person] = hub.add_user(name, role=role or "write", **PEOPLE.get(name, {}))
        return tokens[person]

    return token


@pytest.fixture(scope="session")
def api_for(hub, token_for):
    """Return the client of a person; of nobody for None."""

    def api(person):
        return HfApi(endpoint=hub.endpoint, token=False if person is None else token_for(person))

    return api


@pytest.fixture(scope="session")
def alice(api_for):
    return api_for("alice")


@pytest.fixture(scope="session")
def bob(api_for):
    return api_for("bob")


@pytest.fixture(scope="session")
def nobody(api_for):
    return api_for(None)


@pytest.fixture(scope="session")
def fresh_id():
    numbers = itertools.count()
    return lambda namespace="alice": f"{namespace}/repo-{next(numbers)}"


@pytest.fixture
def repo(alice, fresh_id):
    """A new public model repository of alice's."""
    repo_id = fresh_id()
    alice.create_repo(repo_id)
    return repo_id


@pytest.fixture(params=["xet", "lfs"])
def route(request, monkeypatch):
    """Both ways that the client has for large files."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", request.param == "lfs")
    return request.param


@pytest.fixture(autouse=True)
def clean_bytes(monkeypatch):
    """Large files go over LFS unless a test asks for both routes: it is the faster one to set up."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
