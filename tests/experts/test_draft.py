"""What a publisher's reward is known by: its canonical digest where it can be pinned, its text where it cannot."""

import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.experts.draft import is_known_kind, look_up_spec
from rshub.formats.canonical import digest
from rshub.rewards.spec import reward_from_spec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Source:
    """A hub that knows one model."""

    endpoint = "http://127.0.0.1:1"
    commit = COMMIT
    files = ("config.json", "model.safetensors")

    def info(self, repo_id, revision=None):
        if repo_id != "org/model":
            raise NotFound(repo_id)
        return self


def by_text(spec):
    return digest({"spec": spec})


def test_a_branch_becomes_its_commit_and_what_is_fixed_stays_as_it_was_written():
    pinned = f"hf:org/model@{COMMIT}#label=good"
    known = look_up_spec("hf:org/model#label=good", Source())
    assert known == (pinned, "max", reward_from_spec(pinned).digest)
    assert look_up_spec(pinned) == known  # no hub is needed to check it
    length = reward_from_spec("metric:length").digest
    assert look_up_spec("1*metric:length", Source()) == ("1*metric:length", "max", length)
    assert look_up_spec(None) == (None, None, None)


@pytest.mark.parametrize("spec", ["hf:org/gone#label=good", "entrypoint:nowhere-installed", "judge:by hand", "by hand"])
def test_what_is_not_at_hand_is_known_by_its_text(spec):
    if spec == "by hand":  # names no kind, so it is a mistake
        with pytest.raises(InvalidInput):
            look_up_spec(spec, Source())
        return
    assert look_up_spec(spec, Source()) == (spec, None, by_text(spec))
    assert look_up_spec(spec) == (spec, None, by_text(spec))


def test_mistakes_in_kinds_that_are_scored_are_refused():
    for spec in ("hf:org/model#lable=good", "metric:rouge1.recal", "lexicon:vadr", 'hf:org/m#template="Score: {text}"'):
        assert is_known_kind(spec)
        with pytest.raises(InvalidInput):
            look_up_spec(spec, Source())
    assert not is_known_kind("judge:gpt + metric:length")
