"""Cards on the way up are checked, and what they say comes back."""

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, EvalResult, ModelCard, ModelCardData


def validate(hub, content):
    answer = httpx2.post(f"{hub.endpoint}/api/validate-yaml", json={"content": content, "repoType": "model"})
    return answer.status_code, [item["message"] for item in answer.json()["errors"]]


def test_a_full_card_is_valid_and_comes_back(hub, alice, repo):
    result = EvalResult(
        task_type="text-generation", dataset_type="d/x", dataset_name="X", metric_type="reward", metric_value=0.5
    )
    data = ModelCardData(
        model_name="expert", base_model="org/base", tags=["a"], eval_results=[result], license="mit", language="en"
    )
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n# Expert\n")
    assert validate(hub, str(card)) == (200, [])
    alice.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo)
    back = alice.model_info(repo)
    assert back.card_data.eval_results[0].metric_value == 0.5
    assert {"model-index", "a", "en", "license:mit"} <= set(back.tags)
    assert ModelCard.load(alice.hf_hub_download(repo, "README.md")).data.base_model == "org/base"


@pytest.mark.parametrize(
    ("front", "fault"),
    [
        ("tags: {a: 1}", '"tags"'),
        ("datasets: 7", '"datasets"'),
        ("library_name: [x]", '"library_name"'),
        ("model-index: x", '"model-index"'),
        ("model-index: [{name: x, results: [{task: {type: y}}]}]", '"model-index[0].results[0].dataset"'),
        ("- a", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_faults_are_named(hub, front, fault):
    status, messages = validate(hub, f"---\n{front}\n---\n")
    assert status == 400
    assert fault in " ".join(messages)


def test_a_missing_card_is_only_a_warning(hub):
    assert validate(hub, "# nothing\n") == (200, [])


def test_evaluation_results_are_shown(alice, repo):
    results = b"- dataset: {id: d/x, task_id: t}\n  value: 0.25\n"
    alice.create_commit(
        repo,
        [
            CommitOperationAdd(".eval_results/ours.yaml", results),
            CommitOperationAdd(".eval_results/broken.yaml", b"a: ["),
            CommitOperationAdd(".eval_results/odd.yml", b"just text"),
        ],
        commit_message="results",
    )
    (entry,) = alice.model_info(repo, expand=["evalResults"]).eval_results
    assert (entry.dataset_id, entry.value) == ("d/x", 0.25)
