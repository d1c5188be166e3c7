"""Prompts are read line by line, from a file or a split of a dataset repo, and every fault has its line."""

import hashlib
import json

import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.localhub import LocalHub
from rshub.prompts.prompt import Prompt
from rshub.prompts.read import read_prompts

LINES = b'{"prompt": "a", "references": ["x", "y"]}\n\n{"prompt": "b", "references": "z", "id": 7}\n{"prompt": "c"}\n'
PROMPTS = (
    Prompt(text="a", references=("x", "y")),
    Prompt(text="b", references=("z",)),
    Prompt(text="c", references=()),
)


def test_a_file_gives_its_prompts_and_its_digest(tmp_path):
    (tmp_path / "test.jsonl").write_bytes(LINES)
    read = read_prompts(tmp_path / "test.jsonl")
    assert read.prompts == PROMPTS
    assert read.facts() == {"name": "test.jsonl", "split": "test", "sha256": hashlib.sha256(LINES).hexdigest()}
    assert read.rows()[1] == {"prompt": "b", "references": ["z"]}
    assert read_prompts(str(tmp_path / "test.jsonl"), limit=2).prompts == PROMPTS[:2]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "there is no prompt"),
        (b"\n\n", "there is no prompt"),
        (b'{"prompt": "a"}\n{"prompt": 1}\n', r"test.jsonl:2: 'prompt' is no text"),
        (b'{"prompt": ""}\n', "'prompt' is no text"),
        (b'{"text": "a"}\n', "'prompt' is no text"),
        (b'{"prompt": "a", "references": [1]}\n', "'references' is no list of texts"),
        (b'{"prompt": "a", "references": {"x": 1}}\n', "'references' is no list of texts"),
        (b'{"prompt": "a"\n', "test.jsonl:1: not JSON"),
        (b'{"prompt": "a", "prompt": "b"}\n', "there twice"),
        (b'["a"]\n', "no object"),
        (b"\xff\n", "not UTF-8"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, data, why):
    (tmp_path / "test.jsonl").write_bytes(data)
    with pytest.raises(InvalidInput, match=why):
        read_prompts(tmp_path / "test.jsonl")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(tmp_path, limit):
    (tmp_path / "test.jsonl").write_bytes(LINES)
    with pytest.raises(InvalidInput, match="leaves no prompt"):
        read_prompts(tmp_path / "test.jsonl", limit=limit)


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no such prompts"):
        read_prompts(tmp_path / "none.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(NotFound, match="cannot be read"):
        read_prompts(tmp_path / "folder.jsonl")


@pytest.mark.parametrize(
    "place", ["owner/repo", "prompts", "owner/repo:", "owner:split", ":split", "owner/repo:a//b", "owner/repo:../b"]
)
def test_a_place_of_another_form_is_refused(place):
    with pytest.raises(InvalidInput):
        read_prompts(place)


def test_a_split_of_a_dataset_repo(tmp_path):
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/prompts", repo_type="dataset")
        first = hub.commit("ada/prompts", {"data/test.jsonl": LINES}, message="Prompts", repo_type="dataset").commit
        more = LINES + b'{"prompt": "d"}\n'
        second = hub.commit("ada/prompts", {"data/test.jsonl": more}, message="More", repo_type="dataset").commit
        head = read_prompts("ada/prompts:test", endpoint=served.endpoint, token=token)
        pinned = read_prompts(f"ada/prompts@{first}:test", endpoint=served.endpoint, token=token)
        with pytest.raises(NotFound, match="no split 'train'") as caught:
            read_prompts("ada/prompts:train", endpoint=served.endpoint, token=token)
        with pytest.raises(NotFound):
            read_prompts("ada/nothing:test", endpoint=served.endpoint, token=token)
    assert "test" in caught.value.remedy
    assert (head.name, len(head.prompts)) == (f"ada/prompts@{second}", 4)
    assert (pinned.name, pinned.prompts) == (f"ada/prompts@{first}", PROMPTS)


def test_a_conversation_keeps_its_turns_and_answers_may_be_rejected(tmp_path):
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]
    line = json.dumps({"prompt": turns, "references": "good", "rejected": ["bad", "worse"]})
    (tmp_path / "chat.jsonl").write_text(line + "\n")
    read = read_prompts(tmp_path / "chat.jsonl")
    (prompt,) = read.prompts
    assert prompt.text == "hi\nyes?"
    assert [(turn.role, turn.content) for turn in prompt.turns] == [("user", "hi"), ("assistant", "yes?")]
    assert (prompt.references, prompt.rejected) == (("good",), ("bad", "worse"))
    assert read.rows() == [{"prompt": turns, "references": ["good"]}]


@pytest.mark.parametrize("message", ["hi", {"role": "user"}, {"content": "hi"}, {"role": "", "content": "hi"}, None])
def test_a_message_without_role_or_content_is_refused(tmp_path, message):
    (tmp_path / "chat.jsonl").write_text(json.dumps({"prompt": [message]}) + "\n")
    with pytest.raises(InvalidInput, match=r"chat.jsonl:1: a message of 'prompt'"):
        read_prompts(tmp_path / "chat.jsonl")
