"""Selecting among real experts: measured through the Evaluator, kept with their prompts, at no cost the second time."""

import json
import shutil

import pytest

from rshub.errors import InvalidInput
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.sampling import Sampling
from rshub.evaluation.selection.select import select
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import reward_from_spec

SPECS = {"recall": "metric:rouge1.recall", "precision": "metric:rouge1.precision"}


def test_a_budget_is_spent_on_soups_of_models_and_what_was_measured_serves_again(kitchen, tmp_path, capsys):
    from rshub.cli.main import main

    out, ledger = tmp_path / "scores.json", tmp_path / "ledger"
    experts = [f"{name}={kitchen / name}" for name in SPECS]
    told = []
    asking = {
        "experts": experts,
        "base": str(kitchen / "base"),
        "rewards": SPECS,
        "prompts": kitchen / "test.jsonl",
        "max_new_tokens": 8,
        "out": out,
        "ledger": ledger,
        "units": "raw",
    }
    text = "recall=0.6, precision=0.4"
    found = select(text, budget=4, progress=lambda done, total: told.append((done, total)), **asking)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    kept = json.loads(out.read_text())
    assert [point["kind"] for point in kept["points"]] == ["expert", "expert", "soup", "soup"]
    assert kept["prompts"]["digest"]
    assert set(kept["rewards"]) == set(SPECS)
    assert found.soup == ", ".join(f"{kitchen / name}={share:g}" for name, share in found.coefficients.items() if share)

    with Evaluator.open(
        {name: kitchen / name for name in SPECS},
        base=str(kitchen / "base"),
        rewards={name: reward_from_spec(spec) for name, spec in SPECS.items()},
        prompts=read_prompts(kitchen / "test.jsonl"),
        sampling=Sampling(max_new_tokens=8),
    ) as evaluator:  # without the ledger: measured anew
        point = evaluator.point(found.coefficients)
    for name in SPECS:
        assert found.measured[name].mean == pytest.approx(point.rewards[name].mean)
        assert found.measured[name].samples == point.rewards[name].samples

    before = out.read_bytes()
    with pytest.raises(SystemExit) as end:
        words = ["select", *experts, "--base", str(kitchen / "base"), "--prompts", str(kitchen / "test.jsonl")]
        words += [word for name, spec in SPECS.items() for word in ("--reward", f"{name}={spec}")]
        words += ["--max-new-tokens", "8", "--out", str(out), "--ledger", str(ledger), "--units", "raw", "--json"]
        main([*words, "--preference", text, "--budget", "4"])
    shown = capsys.readouterr()
    assert (end.value.code, shown.err) == (0, "")
    value = json.loads(shown.out)
    assert value["coefficients"] == found.to_json()["coefficients"]
    assert value["evaluations"] == {"known": 4, "request": 4, "new": 0, "budget": 4}
    assert out.read_bytes() == before

    with pytest.raises(InvalidInput, match="other sampling"):
        select(text, budget=5, **(asking | {"max_new_tokens": 9}))
    assert out.read_bytes() == before


def test_an_expert_trained_anew_or_another_base_does_not_inherit_what_was_measured(kitchen, tmp_path):
    for name in ("base", *SPECS):
        shutil.copytree(kitchen / name, tmp_path / name)
    asking = {
        "experts": [str(tmp_path / name) for name in SPECS],
        "base": str(tmp_path / "base"),
        "rewards": SPECS,
        "prompts": kitchen / "test.jsonl",
        "limit": 4,
        "max_new_tokens": 4,
        "out": tmp_path / "scores.json",
        "remember": False,
        "units": "raw",
    }
    select("recall=1", budget=1, **asking)
    before = asking["out"].read_bytes()
    weights = tmp_path / "recall" / "adapter_model.safetensors"
    first = weights.read_bytes()
    weights.write_bytes((kitchen / "morl" / weights.name).read_bytes())
    with pytest.raises(InvalidInput, match="recall in --out is another expert than in this run"):
        select("recall=1", budget=2, **asking)
    weights.write_bytes(first)
    settings = tmp_path / "base" / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"note": "changed"}))
    with pytest.raises(InvalidInput, match="--out was measured on another base than this run"):
        select("recall=1", budget=2, **asking)
    assert asking["out"].read_bytes() == before
