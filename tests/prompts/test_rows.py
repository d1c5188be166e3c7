"""The same rows from every kind of file, and a file that is not what its ending says is refused."""

import csv
import gzip
import io
import json

import pytest

from rshub.errors import InvalidInput, NotFound
from rshub.localhub import LocalHub
from rshub.prompts.read import read_prompts
from rshub.prompts.rows import rows_of

ROWS = [{"prompt": "a, b", "references": "x"}, {"prompt": 'the "c"\nd', "references": "y"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def as_csv():
    text = io.StringIO()
    writer = csv.DictWriter(text, ["prompt", "references"])
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode()


def as_parquet():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), file, row_group_size=1)
    return file.getvalue()


FILES = {
    "rows.jsonl": lambda: LINES,
    "rows.jsonl.gz": lambda: gzip.compress(LINES, mtime=0),
    "rows.json": lambda: json.dumps(ROWS).encode(),
    "lines.json": lambda: LINES,
    "rows.csv": as_csv,
    "rows.parquet": as_parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name]())
    found = list(rows_of(tmp_path / name, name=name))
    assert [dict(row) for _, row in found] == ROWS
    numbers = [number for number, _ in found]
    assert numbers == ([2, 4] if name.endswith(".csv") else [1, 2])
    assert [prompt.text for prompt in read_prompts(f"{tmp_path}/{name}#limit=1").prompts] == ["a, b"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("rows.jsonl.gz", LINES, "not a whole gzip file"),
        ("rows.jsonl.gz", gzip.compress(LINES, mtime=0)[:-12], "not a whole gzip file"),
        ("rows.json", b'[{"prompt": "a"', "not JSON"),
        ("rows.json", b'["a"]', r"rows.json:1: no object"),
        ("rows.csv", b"prompt,references\na\n", r"rows.csv:2: not as many values"),
        ("rows.csv", b"prompt,references\na,b,c\n", r"rows.csv:2: not as many values"),
        ("rows.csv", b'prompt\n"a\n', "not a CSV file"),
        ("rows.csv", b"prompt\n\xff\n", "not a CSV file in UTF-8"),
        ("rows.parquet", b"PAR1 and no more", "not a Parquet file"),
        ("rows.jsonl", b'{"prompt": "' + b"a" * 1_100_000 + b'"}', "bytes are more than"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, data, why):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput, match=why):
        list(rows_of(tmp_path / name, name=name))


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("rshub.prompts.rows.MAX_BYTES", 1000)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(LINES * 1000))
    with pytest.raises(InvalidInput, match="more than the 1000 bytes"):
        list(rows_of(tmp_path / "rows.jsonl.gz", name="rows"))
    (tmp_path / "rows.jsonl").write_bytes(LINES * 100)
    with pytest.raises(InvalidInput, match="more than the 1000 bytes"):
        list(rows_of(tmp_path / "rows.jsonl", name="rows"))


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="no such prompts"):
        read_prompts(tmp_path / "none.parquet")


def test_the_parts_of_a_split_are_joined_and_read_no_further_than_asked(tmp_path):
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/posts", repo_type="dataset")
        rows = [{"qid": n, "question": f"what is {n}?", "response_j": str(n), "response_k": "no"} for n in range(6)]
        parts = {
            f"data/rl/train-0000{n}-of-00003.jsonl": "".join(json.dumps(row) + "\n" for row in rows[2 * n : 2 * n + 2])
            for n in range(3)
        }
        parts["data/rl/train-00002-of-00003.jsonl"] = '{"question": "?"}\n'
        files = {name: text.encode() for name, text in parts.items()}
        commit = hub.commit("ada/posts", files, message="Posts", repo_type="dataset").commit
        place = "ada/posts:rl/train#as=stack-exchange"
        four = read_prompts(f"{place},limit=4", endpoint=served.endpoint, token=token)
        one = read_prompts(place, limit=1, endpoint=served.endpoint, token=token)
        with pytest.raises(InvalidInput, match=r"train-00002-of-00003.jsonl:1: no column 'response_j'"):
            read_prompts(place, endpoint=served.endpoint, token=token)
        with pytest.raises(NotFound) as caught:
            read_prompts("ada/posts:train#as=stack-exchange", endpoint=served.endpoint, token=token)
    assert [prompt.question for prompt in four.prompts] == [f"what is {n}?" for n in range(4)]
    assert four.name == f"ada/posts@{commit}#as=stack-exchange"
    assert four.digest != one.digest
    assert one.split == "rl/train"
    assert "rl/train" in caught.value.remedy


def test_a_split_at_a_revision_that_is_no_branch_of_the_repos_own(tmp_path):
    """The Hub keeps converted rows at refs/convert/parquet, and what others offer at refs/pr/N."""
    from rshub.hub.client import Hub

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/posts", repo_type="dataset")
        rows = json.dumps({"text": "The boat was long. " * 20, "label": 0}).encode()
        offered = hub.commit(
            "ada/posts", {"plain_text/test/0000.jsonl": rows}, message="Rows", create_pr=True, repo_type="dataset"
        )
        place = f"ada/posts@{offered.pr_revision}:plain_text/test#as=movie-review"
        read = read_prompts(place, endpoint=served.endpoint, token=token)
    assert offered.pr_revision == "refs/pr/1"
    assert (read.name, len(read.prompts)) == (f"ada/posts@{offered.commit}#as=movie-review", 1)


def test_rows_that_unpack_to_more_than_is_read_are_refused(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra train")
    from pyarrow import parquet

    from rshub.prompts import rows

    monkeypatch.setattr(rows, "MAX_BYTES", 1_000_000)
    text = "x" * 10_000
    parquet.write_table(pyarrow.table({"prompt": [text] * 1000}), tmp_path / "packed.parquet")
    assert (tmp_path / "packed.parquet").stat().st_size < 100_000
    with pytest.raises(InvalidInput, match="more than the 1000000 bytes"):
        list(rows.rows_of(tmp_path / "packed.parquet", name="packed.parquet"))


def test_a_file_that_is_too_large_is_not_fetched(tmp_path, monkeypatch):
    from rshub.hub.client import Hub
    from rshub.prompts import read

    with LocalHub(tmp_path / "hub") as served:
        token = served.add_user("ada")
        hub = Hub(served.endpoint, token)
        hub.create_repo("ada/posts", repo_type="dataset")
        hub.commit("ada/posts", {"test.jsonl": b'{"prompt": "a"}\n' * 100}, message="Rows", repo_type="dataset")
        monkeypatch.setattr(read, "MAX_BYTES", 1000)
        with pytest.raises(InvalidInput, match=r"test.jsonl: more than"):
            read_prompts("ada/posts:test", endpoint=served.endpoint, token=token)
