"""Listings find what was asked for, in pages, quickly; pages of repositories show what cards say."""

import time

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError


def card(**fields):
    import yaml

    return f"---\n{yaml.safe_dump(fields)}---\n# card\n".encode()


@pytest.fixture(scope="module")
def experts(alice):
    """Three experts for two bases, a merge, and a dataset, under a name that no other test uses."""
    cards = {
        "soups/find-helpful": {"base_model": "org/one", "tags": ["rewarded-soup", "reward:helpful"], "license": "mit"},
        "soups/find-concise": {
            "base_model": "org/one",
            "tags": ["rewarded-soup", "reward:concise"],
            "datasets": ["d/x"],
        },
        "soups/find-other": {"base_model": "org/two", "tags": ["rewarded-soup", "reward:helpful"], "language": "en"},
        "soups/find-merge": {
            "base_model": ["soups/find-helpful", "soups/find-concise"],
            "pipeline_tag": "text-generation",
        },
    }
    for repo_id, fields in cards.items():
        alice.create_repo(repo_id)
        operations = [CommitOperationAdd("README.md", card(**fields))]
        if repo_id != "soups/find-merge":
            operations.append(CommitOperationAdd("adapter_config.json", b'{"peft_type": "LORA", "task_type": "X"}'))
        alice.create_commit(repo_id, operations, commit_message="card")
    alice.create_repo("soups/find-scores", repo_type="dataset")
    alice.upload_file(
        path_or_fileobj=card(tags=["rewarded-soup-scores"], license="mit", task_categories=["text-generation"]),
        path_in_repo="README.md",
        repo_id="soups/find-scores",
        repo_type="dataset",
    )
    return sorted(cards)


def ids(infos):
    return sorted(info.id for info in infos)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("reward:helpful", ["soups/find-helpful", "soups/find-other"]),
        (["base_model:org/one", "reward:helpful"], ["soups/find-helpful"]),
        (["base_model:adapter:org/one"], ["soups/find-concise", "soups/find-helpful"]),
        (["base_model:merge:soups/find-helpful"], ["soups/find-merge"]),
        (["dataset:d/x"], ["soups/find-concise"]),
        (["license:mit"], ["soups/find-helpful"]),
        (["peft", "en"], ["soups/find-other"]),
        (["reward:help"], []),
        (["Reward:helpful"], []),
    ],
)
def test_tags_match_exactly_and_together(alice, experts, tags, found):
    assert ids(alice.list_models(filter=tags, author="soups", search="find-")) == found


def test_searching_by_name_author_and_pipeline(alice, experts):
    assert ids(alice.list_models(search="FIND-HELP")) == ["soups/find-helpful"]
    assert ids(alice.list_models(search="find_%")) == []
    assert ids(alice.list_models(author="SOUPS", search="soups/find-")) == experts
    assert ids(alice.list_models(author="soup")) == []
    assert ids(alice.list_models(pipeline_tag="text-generation", search="find-")) == ["soups/find-merge"]


def test_datasets_are_listed_apart(alice, experts):
    assert ids(alice.list_datasets(filter="rewarded-soup-scores")) == ["soups/find-scores"]
    assert ids(alice.list_datasets(filter=["license:mit", "task_categories:text-generation"])) == ["soups/find-scores"]
    assert ids(alice.list_models(filter="rewarded-soup-scores")) == []


def test_what_a_listing_shows_is_chosen(alice, experts):
    (brief,) = alice.list_models(search="find-helpful")
    assert "base_model:adapter:org/one" in brief.tags
    assert (brief.sha, brief.siblings, brief.card_data, brief.config) == (None, None, None, None)
    (full,) = alice.list_models(search="find-helpful", full=True, cardData=True, fetch_config=True)
    assert full.sha == alice.model_info("soups/find-helpful").sha
    assert {item.rfilename for item in full.siblings} == {".gitattributes", "README.md", "adapter_config.json"}
    assert full.card_data.base_model == "org/one"
    assert full.config["peft"]["peft_type"] == "LORA"
    (chosen,) = alice.list_models(search="find-helpful", expand=["sha", "cardData"])
    assert (chosen.sha, chosen.tags) == (full.sha, None)


def test_the_order_is_by_change_or_by_birth(alice, experts):
    alice.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="soups/find-helpful")
    changed = [info.id for info in alice.list_models(search="find-", sort="last_modified")]
    born = [info.id for info in alice.list_models(search="find-", sort="created_at")]
    assert changed[0] == "soups/find-helpful"
    assert born == ["soups/find-merge", "soups/find-other", "soups/find-concise", "soups/find-helpful"]
    assert len(list(alice.list_models(search="find-", sort="downloads", limit=3))) == 3


def test_pages_follow_one_another_without_gap_or_repetition(hub, experts):
    address, seen = f"{hub.endpoint}/api/models?search=find-&limit=3&sort=createdAt", []
    while address:
        assert address.startswith(hub.endpoint)
        answer = httpx2.get(address)
        seen += [item["id"] for item in answer.json()]
        address = answer.links.get("next", {}).get("url")
    assert sorted(seen) == experts


def test_an_unanswerable_question_is_refused(alice, hub):
    with pytest.raises(HfHubHTTPError, match="num_parameters"):
        list(alice.list_models(num_parameters="min:6B"))
    for query in ("sort=colour", "limit=many", "cursor=nonsense", "expand=colour"):
        answer = httpx2.get(f"{hub.endpoint}/api/models?{query}")
        assert answer.status_code == 400
        assert answer.headers["X-Error-Message"]


def test_a_page_shows_the_card_and_computed_tags(alice, experts):
    info = alice.model_info("soups/find-concise")
    assert info.card_data.datasets == ["d/x"]
    assert info.library_name == "peft"
    assert {"peft", "dataset:d/x", "base_model:org/one", "base_model:adapter:org/one"} <= set(info.tags)
    assert info.last_modified >= info.created_at


def test_a_page_of_an_older_revision_shows_the_older_card(alice, repo):
    alice.upload_file(path_or_fileobj=card(license="mit"), path_in_repo="README.md", repo_id=repo)
    alice.create_tag(repo, tag="v1")
    alice.upload_file(path_or_fileobj=card(license="apache-2.0"), path_in_repo="README.md", repo_id=repo)
    assert alice.model_info(repo, revision="v1").card_data.license == "mit"
    assert alice.model_info(repo).card_data.license == "apache-2.0"
    assert ids(alice.list_models(filter="license:mit", search=repo)) == []


def test_listing_hundreds_is_quick(hub, alice):
    for number in range(60):
        alice.create_repo(f"alice/many-{number}")
    started = time.perf_counter()
    answer = httpx2.get(f"{hub.endpoint}/api/models?search=many-&full=true&cardData=true")
    assert len(answer.json()) == 60
    assert time.perf_counter() - started < 0.5
