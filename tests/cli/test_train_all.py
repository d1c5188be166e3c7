"""The verb train-all: what is asked for, and an exit code that says that something failed, after the result."""

import json
import sys

import pytest

from tests.cli.conftest import write_base


@pytest.fixture
def workshop(tmp_path):
    """A recipe for two rewards, and an output in which nothing can be trained: something is in the way of each run."""
    write_base(tmp_path / "base")
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({"prompt": f"p{n}", "references": ["r"]}) + "\n" for n in range(4))
    )
    recipe = {
        "method": "rloo", "base": str(tmp_path / "base"), "dataset": str(tmp_path / "train.jsonl"), "batch": 4,
        "num_generations": 2, "rewards": {"long": "metric:length", "near": "metric:rouge1.recall"},
        "reward_weights": {"long": 0.5, "near": 0.5},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    (tmp_path / "runs").mkdir()
    for name in ("long", "near", "morl-long-0.5-near-0.5"):
        (tmp_path / "runs" / f"{name}.run").write_text("in the way")
    return tmp_path


def asked(workshop, *more):
    return ("train-all", workshop / "recipe.yaml", "--output", workshop / "runs", *more)


def test_how_many_failed_is_said_after_the_result(rshub, workshop):
    ran = rshub(*asked(workshop, "--morl", "1", "--json"))
    assert ran.code == 1
    assert [(run["name"], run["state"]) for run in ran.json["runs"]] == [
        ("long", "failed"),
        ("near", "failed"),
        ("morl-long-0.5-near-0.5", "failed"),
    ]
    assert ran.json["failed"] == 3
    error = json.loads(ran.err.splitlines()[-1])
    assert error["message"].startswith("3 of 3 runs failed, long because: ")
    assert "long.run" in error["message"]
    assert (workshop / "runs" / "train_all.json").exists()


def test_what_happens_is_told_run_by_run(rshub, workshop):
    ran = rshub(*asked(workshop, "--experts", "near"))
    assert ran.code == 1
    assert ran.err.splitlines()[0] == "near: started"
    assert ran.err.splitlines()[1].startswith("near: failed: ")
    assert ran.out.startswith("near  failed")
    assert not (workshop / "runs" / "long.yaml").exists()


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_mixtures_alone_may_be_asked_for(rshub, workshop, executor, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ran = rshub(
        *asked(workshop, "--experts", "none", "--mixture", "long=0.5,near=0.5", "--executor", executor, "--json")
    )
    assert [(run["name"], run["kind"], run["seed"]) for run in ran.json["runs"]] == [
        ("morl-long-0.5-near-0.5", "morl", 0)
    ]
    (run,) = ran.json["runs"]
    assert "cannot be written" in run["message"]  # the same words from a process and from this one
    assert run["remedy"] == "choose another output"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--experts", "none"), "nothing to train"),
        (("--experts", "all", "--experts", "near"), "stands alone"),
        (("--experts", "far"), "trains for no reward 'far'"),
        (("--jobs", "2"), "no use for devices or several jobs"),
        (("--executor", "process", "--devices", "0,0"), "one is there twice"),
        (("--set", "betta=1"), "did you mean 'beta'"),
        (("--set", "seed"), "is not key=value"),
        (("--executor", "ray"), "'ray' is not one of"),
    ],
)
def test_what_is_asked_for_wrongly_is_a_usage_error(rshub, workshop, more, why):
    ran = rshub(*asked(workshop, *more))
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err


def test_nothing_of_training_is_imported_before_it_is_needed(process, workshop):
    report = (
        "import sys\nfrom rshub.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print('HEAVY', 'torch' in sys.modules, file=sys.stderr)"
    )
    ran = process(*asked(workshop, "--experts", "near", "--executor", "process"), code=report)
    assert ran.code == 1
    assert ran.err.endswith("HEAVY False\n"), sys.version
