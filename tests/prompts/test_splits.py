"""The files of a split, by the names that public data sets give them."""

import pytest

from rshub.prompts.splits import files_of, splits_in

NEWS = ["README.md", "data/train-00000-of-00001-0f8e.parquet", "data/test-00000-of-00001-1c2d.parquet"]
REVIEWS = ["plain_text/test-00000-of-00001.parquet", "plain_text/unsupervised-00000-of-00001.parquet"]
DIALOGUES = [
    f"{folder}/{split}.jsonl.gz" for folder in ("harmless-base", "helpful-base") for split in ("train", "test")
]
CONVERTED = ["comparisons/train/0000.parquet", "comparisons/train/0001.parquet", "comparisons/validation/0000.parquet"]
QUESTIONS = [f"data/{part}/train-0000{n}-of-00002.parquet" for part in ("rl", "evaluation") for n in (1, 0)]


@pytest.mark.parametrize(
    ("names", "split", "files"),
    [
        (NEWS, "test", NEWS[2:]),
        (NEWS, "tes", []),
        (REVIEWS, "plain_text/test", REVIEWS[:1]),
        (REVIEWS, "test", []),
        (DIALOGUES, "harmless-base/test", ["harmless-base/test.jsonl.gz"]),
        (DIALOGUES, "*/train", ["harmless-base/train.jsonl.gz", "helpful-base/train.jsonl.gz"]),
        (["a/train.jsonl.gz", "b/train.jsonl"], "*/train", ["a/train.jsonl.gz", "b/train.jsonl"]),
        (
            ["b/train-00000-of-00001.parquet", "a/train/0000.parquet", "a/test/0000.parquet", "train/0000.parquet"],
            "*/train",
            ["a/train/0000.parquet", "b/train-00000-of-00001.parquet"],
        ),
        (QUESTIONS, "*/train", sorted(QUESTIONS[2:]) + sorted(QUESTIONS[:2])),
        (CONVERTED, "comparisons/train", CONVERTED[:2]),
        (QUESTIONS, "rl/train", ["data/rl/train-00000-of-00002.parquet", "data/rl/train-00001-of-00002.parquet"]),
        (QUESTIONS, "data/rl/train", sorted(QUESTIONS[:2])),
        (["test.csv", "test.jsonl", "data/test.jsonl"], "test", ["test.jsonl"]),
        (["test/readme.jsonl", "test.txt", "latest.jsonl", "test-set.jsonl"], "test", []),
    ],
)
def test_a_split_is_found_by_its_files(names, split, files):
    assert files_of(split, names) == files


def test_splits_are_named_as_they_would_be_asked_for():
    assert splits_in(NEWS) == ["test", "train"]
    assert splits_in(CONVERTED) == ["comparisons/train", "comparisons/validation"]
    assert splits_in(QUESTIONS) == ["evaluation/train", "rl/train"]
    assert splits_in(DIALOGUES)[:2] == ["harmless-base/test", "harmless-base/train"]
    for names in (NEWS, REVIEWS, DIALOGUES, CONVERTED, QUESTIONS):
        assert all(files_of(split, names) for split in splits_in(names))
