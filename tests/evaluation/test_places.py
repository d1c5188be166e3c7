"""Places for results are judged before anything is measured for them."""

import pytest

from rshub.errors import OutputError
from rshub.evaluation.places import check_place


def test_a_place_that_can_take_a_file_stays_as_it_is(tmp_path):
    there = tmp_path / "there.json"
    there.write_text("earlier")
    check_place(there, "--out")
    check_place(tmp_path / "deep" / "er" / "new.json", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["there.json"]
    assert there.read_text() == "earlier"


@pytest.mark.parametrize("below", ["", "file/below.json", "a\0b"], ids=["folder", "below-a-file", "nul"])
def test_what_can_take_none_is_refused_by_the_name_of_its_option(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as refused:
        check_place(tmp_path / below, "--report")
    assert refused.value.where == "--report"
