"""How rewards and repos are written; the Hub's own client is the second opinion on repos."""

import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id

from rshub.formats.names import REWARD_NAME, is_repo_id


@pytest.mark.parametrize("text", ["org/name", "O_r-g/na.me_2", "1/2", "o/" + "n" * 94])
def test_repos(text):
    validate_repo_id(text)
    assert is_repo_id(text)


@pytest.mark.parametrize(
    "text",
    ["org/-n", "org/n.", "o--g/n", "o/n..m", "a/b/c", "o/n m", "o/" + "n" * 97, "o/n\n", "o/é"],
)
def test_no_repos(text):
    with pytest.raises(HFValidationError):
        validate_repo_id(text)
    assert not is_repo_id(text)


@pytest.mark.parametrize("text", ["", "name", "/name", "org/"])
def test_a_repo_has_an_owner_and_a_name(text):
    assert not is_repo_id(text)


def test_names_of_rewards():
    assert all(REWARD_NAME.fullmatch(name) for name in ("helpful", "0-9", "a.b_c"))
    assert not any(REWARD_NAME.fullmatch(name) for name in ("", "Helpful", "-a", "a b", "a\n", "é"))
