"""The recipes of the paper's text tasks are read as strictly as anybody's, and say what the paper's table says."""

import json
import re
from pathlib import Path

import pytest

from rshub.formats.fields import COMMIT
from rshub.prompts.place import Reading, parse_place
from rshub.training.recipe_file import read_recipe
from rshub.training.series.plan import plan_runs

RECIPES = Path(__file__).parents[2] / "scripts" / "recipes"
SUMMARIES = ["CogComp/bart-faithful-summary-detector", "Tristan/gpt2_reward_summarization"]
DEBERTA = "OpenAssistant/reward-model-deberta-v3-base"
LARGE = "OpenAssistant/reward-model-deberta-v3-large-v2"
ELECTRA = "OpenAssistant/reward-model-electra-large-discriminator"
SECOND = "theblackcat102/reward-model-deberta-v3-base-v2"
TABLE = {  # the form, the KL coefficient, the epochs and the reward models of each task
    "news_summary": ("news-summary", 0.05, 2, SUMMARIES),
    "reddit_summary": ("reddit-summary", 0.05, 1, SUMMARIES),
    "stack_exchange": ("stack-exchange", 0.2, 1, [DEBERTA, ELECTRA]),
    "movie_review": ("movie-review", 0.2, 1, [DEBERTA, ELECTRA]),
    "assistant": ("assistant-opening", 0.2, 1, [DEBERTA, LARGE, ELECTRA, SECOND]),
}


def test_there_is_a_recipe_for_each_task_and_the_readme_names_it():
    assert {path.stem for path in RECIPES.glob("*.yaml")} == set(TABLE)
    said = (RECIPES / "README.md").read_text()
    assert all(f"`{task}.yaml`" in said for task in TABLE)


@pytest.mark.parametrize("task", TABLE)
def test_a_recipe_says_what_the_papers_table_says(task):
    form, beta, epochs, models = TABLE[task]
    recipe = read_recipe(RECIPES / f"{task}.yaml")
    assert (recipe.method, recipe.init, recipe.artefact, recipe.seed) == ("rloo", "base", "lora", 0)
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (16, 16, 0.05)
    assert recipe.lora.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (recipe.optimizer, recipe.learning_rate, recipe.schedule) == ("adam", 1.41e-5, "constant")
    assert (recipe.batch, recipe.mini_batch, recipe.num_iterations) == (128, 4, 4)
    assert (recipe.min_completion_length, recipe.max_completion_length, recipe.temperature) == (16, 32, 1.0)
    assert (recipe.beta, recipe.epochs) == (beta, epochs)
    places = [parse_place(recipe.dataset), parse_place(recipe.eval_prompts)]
    assert [place.reading.form for place in places] == [form, form]
    assert {place.reading.begin for place in places} == {(2, 7)}
    assert places[0].split != places[1].split
    assert (places[0].repo, recipe.eval_limit) == (places[1].repo, 200)
    terms = [term for reward in recipe.rewards.values() for term in reward.terms]
    assert sorted(re.match(r"hf:([^@]+)@", term)[1] for term in terms) == models
    assert len(recipe.rewards) == len(models)
    assert len(set(recipe.reward_weights.values())) == 1  # every reward has an expert
    assert [run.name for run in plan_runs(list(recipe.rewards), seed=0)] == list(recipe.rewards)


@pytest.mark.parametrize("task", TABLE)
def test_nothing_that_a_recipe_names_is_a_pickle_or_moves_unseen(task):
    recipe = read_recipe(RECIPES / f"{task}.yaml")
    assert COMMIT.fullmatch(recipe.base.partition("@")[2])
    for reward in recipe.rewards.values():
        (term,) = reward.terms
        revision = re.match(r"hf:[^@]+@([^#]+)#", term)[1]
        assert COMMIT.fullmatch(revision) or re.fullmatch(r"refs/pr/[0-9]+", revision)
        assert "{question}" in term
        assert "{answer}" in term or "{sentence}" in term


def test_the_question_is_what_the_papers_reward_models_read(tmp_path):
    """Rows of the public schema, through the form of the recipe, into the template of its reward."""
    from rshub.prompts.read import read_prompts
    from rshub.rewards.classifier import _filled

    recipe = read_recipe(RECIPES / "stack_exchange.yaml")
    reading = parse_place(recipe.dataset).reading
    assert reading == Reading(form="stack-exchange", begin=(2, 7), limit=40000)
    answer = "By doing it again and again until it works."
    row = {"qid": 1, "question": "How?", "response_j": answer, "response_k": "?"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (prompt,) = read_prompts(f"{tmp_path}/rows.jsonl#{reading},limit=1").prompts
    (term,) = recipe.rewards["electra"].parts.values()
    sample = prompt.sample(prompt.references[0])
    assert _filled(term.text.options["template"][0], sample) == "How?"
    assert _filled(term.text.options["second"][0], sample) == answer


LAUNCHES = {"multi_gpu": "MULTI_GPU", "fsdp": "FSDP", "deepspeed_zero2": "DEEPSPEED"}


@pytest.mark.parametrize("name", LAUNCHES)
def test_accelerate_itself_reads_the_launch_configurations(name):
    from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file

    config = load_config_from_file(str(RECIPES / "accelerate" / f"{name}.yaml"))
    assert isinstance(config, ClusterConfig)
    assert str(config.distributed_type.value) == LAUNCHES[name]
    assert (config.num_machines, config.num_processes, config.use_cpu) == (1, 2, False)
    assert {path.stem for path in (RECIPES / "accelerate").glob("*.yaml")} == set(LAUNCHES)
    if name == "fsdp":
        from accelerate import FullyShardedDataParallelPlugin

        known = FullyShardedDataParallelPlugin.__dataclass_fields__
        assert {key.removeprefix("fsdp_") for key in config.fsdp_config} <= set(known) | {"version"} | {
            "auto_wrap_policy", "state_dict_type", "offload_params",
        }  # fmt: skip
