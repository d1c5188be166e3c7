"""``train``: a recipe becomes an expert in a folder, and on a hub if asked to.

The base is fetched at a full commit with its digests checked, the start is pinned, the prompts are read, the method's
own file trains, and only the expert's files, a summary and the log reach the output; it appears when everything is
whole. While the training runs its log and checkpoints lie beside it in ``OUTPUT.run``: an interrupted run of the same
recipe goes on from there, one of another recipe is refused. Where a launcher starts several processes for one run, the
recipe's numbers are those of the whole run (``batch`` is shared out among them), and only the first of them writes and
publishes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rshub.deltas.expert_tensors import read_expert
from rshub.errors import InvalidInput, MissingExtra
from rshub.evaluation.room import room_of
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.experts.publish import check_target
from rshub.experts.training_summary import FILE_NAME as TRAINING
from rshub.experts.training_summary import LOG
from rshub.formats.address import parse_repo
from rshub.formats.canonical import file_bytes
from rshub.hub.client import Hub
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.soups.fetch import fetch_base
from rshub.soups.pin import pin_base
from rshub.tensors.writer import fresh_folder
from rshub.training.hand_over import measure, push_expert, still_whole
from rshub.training.methods.lesson import Lesson, Tell, Trained
from rshub.training.methods.rows import refuse_bare, refuse_few, rows_of, scored
from rshub.training.produce import put_adapter, put_model
from rshub.training.recipe import Recipe
from rshub.training.recipe_file import read_recipe
from rshub.training.result import TrainResult
from rshub.training.runs.checkpoints import FOLDER
from rshub.training.runs.crew import crew
from rshub.training.runs.run_folder import run_folder, run_of
from rshub.training.runs.trackers import refuse_missing, tracker_folder
from rshub.training.start import Start, find_start, settle_lora
from rshub.training.summary import objective, summary, tool_versions

FREE = ("micro_batch", "report_to", "eval_prompts", "eval_limit")
"""Keys that may be changed between a kill and going on: they do not decide what is learned."""


def train(
    recipe: Path | str | Mapping[str, Any],
    *,
    overrides: Mapping[str, str] | None = None,
    output: Path | str | None = None,
    push: str | None = None,
    private: bool = False,
    license: str | None = None,  # noqa: A002 - the Hub's word
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_log: Callable[[Mapping[str, Any]], None] | None = None,
) -> TrainResult:
    """Train the expert that a recipe describes.

    Where a launcher has started several processes, each of them calls this: they share one run, whose numbers are the
    recipe's (``batch`` is that of the whole run), and only the first of them writes, measures and publishes.

    Args:
        recipe: A YAML file, or a mapping of the same shape.
        overrides: Dotted key to value as written: ``{"lora.r": "4", "seed": "1"}``.
        output: The folder of the expert; by default named after the rewards that are trained on.
        push: Publish to this repo when it is trained.
        private: Create that repo private.
        license: The licence of the published expert.
        endpoint: The hub's address.
        token: Who fetches and publishes.
        progress: Called with the steps done and the steps in all.
        on_log: Called with each line of the log: step, and of reinforcement the reward, one mean for each reward, kl
            and length, else the loss.

    Raises:
        InvalidInput: The recipe or an override is malformed, the prompts lack what the method needs, a run of another
            recipe is there, or the expert could not be pushed to that repo.
        NotFound: Recipe, base, start or prompts are not there, or the token may not write to the repo or create it.
        IntegrityError: The base's files are not what the hub says they are, or the training ended in NaN.
        Incompatible: The start belongs to another base, or the expert may not be published as it is.
        OutputError: The output cannot be written, or something is there already.
        RshubError: The training diverged, the memory was full, or a reward raised or gave no numbers.
        MissingExtra: The training libraries, or a tracker, are not installed.
        HubError: The hub or the network failed.
    """
    wanted = read_recipe(recipe, overrides=overrides)
    refuse_missing(wanted.report_to)
    if push is not None:
        parse_repo(push)
    hub = Hub(endpoint, token)
    wanted = replace(wanted, rewards={name: reward.pin(hub) for name, reward in wanted.rewards.items()})
    name, spec = objective(wanted)
    folder = Path(output) if output is not None else Path(name)
    base = identify_base(wanted.base, hub)
    start = find_start(wanted.init, base, hub)
    wanted = replace(wanted, lora=settle_lora(wanted, start))
    if push is not None:
        _refuse_unpublishable(base, start, push, name, hub, private=private)
    prompts = read_prompts(wanted.dataset, endpoint=endpoint, token=token)
    refuse_bare(wanted, prompts)
    able = len(scored(wanted, prompts))
    lacking = ", without the prompts that have no references" if able < len(prompts.prompts) else ""
    refuse_few(wanted, able, f"{prompts.name}{lacking}")
    if wanted.eval_prompts is not None:  # read again at the end: what is missing is known now
        read_prompts(wanted.eval_prompts, limit=wanted.eval_limit, endpoint=endpoint, token=token)
    if wanted.reinforced or wanted.eval_prompts:
        talk = any(prompt.turns for prompt in prompts.prompts)
        for reward in wanted.rewards.values():
            reward.make_ready({"corpus": prompts.references(), "conversational": talk})
    if not crew().leads:
        return _follow(wanted, prompts, base=base, start=start, folder=folder, hub=hub)
    with ExitStack() as stack:
        run = stack.enter_context(run_folder(folder, _identity(wanted, base, start, prompts)))
        staging = stack.enter_context(fresh_folder(folder))
        source = stack.enter_context(fetch_base(pin_base(base), hub))
        trained, training = _trained(
            wanted,
            prompts,
            base=base,
            start=start,
            source=source,
            run=run,
            checkpoints=run / FOLDER,
            folder=folder,
            tell=_both(progress, on_log),
        )
        if wanted.artefact == "full":
            put_model(run / "made", staging, source)
        else:
            put_adapter(run / "made", staging, base)
        read_expert(staging, label=str(folder)).check_finite()
        shutil.copyfile(run / LOG, staging / LOG)
        (staging / TRAINING).write_bytes(file_bytes(training))
    result = TrainResult(folder=folder, training=training, log=trained.lines, reward=name, spec=spec, base=base)
    if trained.stopped:
        result = replace(result, notes=(str(trained.stopped),))
    with still_whole(folder):
        if wanted.eval_prompts is not None:
            result = replace(result, scores=measure(wanted, folder, base, endpoint=endpoint, token=token))
        if push is not None:
            published, note = push_expert(
                result, push, private=private, license=license, endpoint=endpoint, token=token
            )
            result = replace(result, published=published, notes=(*result.notes, *note))
    return result


def _follow(
    recipe: Recipe, prompts: PromptSet, *, base: BaseIdentity, start: Start, folder: Path, hub: Hub
) -> TrainResult:
    """Train beside the process that leads, and leave nothing behind but what the checkpoints hold of each process."""
    run = run_of(folder)
    with TemporaryDirectory(prefix="rshub-follow-") as scratch, fetch_base(pin_base(base), hub) as source:
        with suppress(FileNotFoundError):  # whether to stop early is judged by the lines before a kill too
            shutil.copyfile(run / LOG, Path(scratch) / LOG)
        trained, training = _trained(
            recipe,
            prompts,
            base=base,
            start=start,
            source=source,
            run=Path(scratch),
            checkpoints=run / FOLDER,
            folder=folder,
            tell=None,
        )
    name, spec = objective(recipe)
    return TrainResult(folder=folder, training=training, log=trained.lines, reward=name, spec=spec, base=base)


def _trained(
    recipe: Recipe,
    prompts: PromptSet,
    *,
    base: BaseIdentity,
    start: Start,
    source: Path,
    run: Path,
    checkpoints: Path,
    folder: Path,
    tell: Tell | None,
) -> tuple[Trained, dict[str, Any]]:
    """Train, and say how it went."""
    method = _method(recipe.method)
    from transformers import AutoConfig

    from rshub.evaluation.generate import encoded
    from rshub.training.methods.lengths import refuse_long
    from rshub.training.methods.tokenizer import lacks_padding, open_tokenizer
    from rshub.training.quiet import let_go, quiet

    with quiet():
        conversational = any(prompt.turns for prompt in prompts.prompts)
        tokenizer = open_tokenizer(source, str(base), conversational=conversational)
        longest = recipe.max_prompt_length
        fit = scored(recipe, prompts)
        if longest is not None:
            fit = [one for one in fit if len(encoded(tokenizer, one.asked())) <= longest]
        refuse_few(recipe, len(fit), f"{prompts.name}, without the prompts of more than {longest} tokens")
        rows = rows_of(recipe, replace(prompts, prompts=tuple(fit)))
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=True)
        refuse_long(recipe, rows, tokenizer, room=room_of(config))
        padded = not lacks_padding(source)
    trained = method(
        Lesson(
            recipe=recipe,
            base=source,
            tokenizer=tokenizer,
            rows=rows,
            steps=recipe.steps_over(len(fit)),
            output=_emptied(run / "made"),
            log=run / LOG,
            checkpoints=checkpoints if recipe.save_steps else None,
            start=start.folder,
            trackers=tracker_folder(folder),
            name=folder.name,
            tell=tell,
        )
    )
    let_go()
    left_out = len(prompts.prompts) - len(fit)
    return trained, summary(recipe, prompts, start, trained, left_out=left_out, padded=padded)


def _method(name: str) -> Callable[[Lesson], Trained]:
    """Import the file of a method, and with it the libraries that take seconds to import."""
    try:
        if name == "grpo":
            from rshub.training.methods.grpo import train_grpo as method
        elif name == "sft":
            from rshub.training.methods.sft import train_sft as method
        elif name == "dpo":
            from rshub.training.methods.dpo import train_dpo as method
        else:
            from rshub.training.methods.rloo import train_rloo as method
    except ImportError as fault:
        raise MissingExtra("train", needed_for="training") from fault
    return method


def _identity(recipe: Recipe, base: BaseIdentity, start: Start, prompts: PromptSet) -> dict[str, Any]:
    """Give everything that decides the result."""
    return {
        "recipe": {key: value for key, value in recipe.to_json().items() if key not in FREE},
        "base": dict(base.files),
        "init": start.digest,
        "prompts": prompts.digest,
        "versions": tool_versions(),
    }


def _refuse_unpublishable(base: BaseIdentity, start: Start, push: str, reward: str, hub: Hub, *, private: bool) -> None:
    """Refuse to train for a repo that could not take the expert."""
    if base.repo_id is None:
        raise InvalidInput(
            f"{base}: the base of a published expert is a repo, not a folder",
            where="base",
            remedy="publish the base first (hf upload OWNER/BASE DIR) and name it in the recipe, or leave --push out",
        )
    if start.local:
        raise InvalidInput(
            f"{start.place}: the start of a published expert is a repo, not a folder",
            where="init",
            remedy=f"publish that adapter first and write init: {start.kind}:OWNER/NAME, or leave --push out",
        )
    check_target(push, reward, hub, private=private)
    hub.check_write(parse_repo(push).repo_id)


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


def _both(progress: Callable[[int, int], None] | None, on_log: Tell | None) -> Tell:
    def tell(line: Mapping[str, Any]) -> None:
        if progress is not None:
            progress(line["step"], line["steps"])
        if on_log is not None:
            on_log(line)

    return tell
