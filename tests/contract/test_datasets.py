"""The datasets library pushes to, loads from and streams from the hub, in a process of its own: it imports slowly."""

import os
import subprocess
import sys

import pytest

STORY = """
from datasets import Dataset, load_dataset
rows = {"prompt": [f"question {n}" for n in range(100)], "n": list(range(100))}
Dataset.from_dict(rows).push_to_hub("alice/prompts")
back = load_dataset("alice/prompts", split="train")
assert back["n"] == rows["n"] and back["prompt"] == rows["prompt"]
streamed = load_dataset("alice/prompts", split="train", streaming=True)
assert [row["n"] for row in streamed] == rows["n"]
print("told")
"""


@pytest.mark.slow
@pytest.mark.parametrize("disable_xet", ["0", "1"])
def test_a_dataset_goes_up_and_comes_back(hub, token_for, tmp_path, disable_xet):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": token_for("alice"),
        "HF_HUB_DISABLE_XET": disable_xet,
    }
    done = subprocess.run(
        [sys.executable, "-c", STORY], capture_output=True, text=True, env=environment, check=False, cwd=tmp_path
    )
    assert done.stdout.endswith("told\n"), done.stderr[-3000:]
