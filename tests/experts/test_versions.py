"""Released versions."""

import pytest

from rshub.errors import InvalidInput
from rshub.experts.versions import parse_tag, released, tag_for


def test_releases_are_sorted_as_semantic_versioning_says():
    # The order of the example in semver.org, item 11, newest first.
    tags = ["v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2", "v1.0.0-beta.11"]
    tags += ["v1.0.0-rc.1", "v1.0.0", "v2.0.0", "v2.1.0", "v2.1.1", "v10.0.0"]
    shuffled = sorted(tags, key=lambda tag: tag[::-1])
    assert [version.tag for version in released(shuffled)] == tags[::-1]


@pytest.mark.parametrize(
    "tag", ["1.0.0", "v1.0", "v01.0.0", "main", "v1.0.0.0", "vx", "v1.0.0 ", "v1.0.0-a..b", "v1.0.0-01", "v1.0.0-"]
)
def test_other_tags_are_no_releases(tag):
    assert parse_tag(tag) is None


def test_the_first_release_is_one_and_the_next_a_minor_step():
    assert tag_for(None, []) == "v1.0.0"
    assert tag_for(None, ["v1.0.0", "v1.2.3", "latest"]) == "v1.3.0"
    assert tag_for("2.0.0", ["v1.0.0"]) == "v2.0.0"


@pytest.mark.parametrize("version", ["1", "one", "1.0.0", "v1.0.0"])
def test_a_version_that_is_malformed_or_taken_is_refused(version):
    with pytest.raises(InvalidInput):
        tag_for(version, ["v1.0.0"])
