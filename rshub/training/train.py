"""``train``: a recipe becomes an expert in a folder, and on a hub if asked to.

The base is fetched at a full commit with its digests checked, the prompts are read, the method's own file trains, and
only the adapter's two files, a summary and the log reach the output; it appears when everything is whole. While the
training runs its log and checkpoints lie beside it in ``OUTPUT.run``: an interrupted run of the same recipe goes on
from there, one of another recipe is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rshub import __version__
from rshub.deltas.adapters import CONFIG, WEIGHTS, read_adapter
from rshub.errors import InvalidInput, MissingExtra, RshubError
from rshub.experts.base_identity import BaseIdentity, identify_base
from rshub.experts.publish import TRAINING, Published, check_target, publish
from rshub.formats.address import parse_repo
from rshub.formats.canonical import file_bytes, load_json
from rshub.hub.client import Hub
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward
from rshub.soups.fetch import fetch_base
from rshub.soups.pin import pin_base
from rshub.tensors.writer import fresh_folder
from rshub.training.recipe import Recipe, read_recipe
from rshub.training.run_folder import CHECKPOINTS, run_folder

LOG = "training_log.jsonl"

TOOLS = ("trl", "transformers", "peft", "torch")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """An expert that was trained.

    Args:
        folder: Holds the adapter, ``training.json`` and ``training_log.jsonl``.
        training: The summary, as it stands in ``training.json`` and in the manifest of a published expert.
        log: The lines of the log.
        reward: What it was trained for: the reward's name, or the joined names of a mixture.
        spec: That reward as a string.
        base: What it was trained on.
        published: What became of it on the hub, if it was pushed.
    """

    folder: Path
    training: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    reward: str
    spec: str
    base: BaseIdentity
    published: Published | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe the result for a program."""
        return {
            "folder": str(self.folder),
            "training": dict(self.training),
            "published": self.published.to_json() if self.published else None,
        }

    def lines(self) -> list[str]:
        """Describe the result for a person."""
        first, last = self.log[0], self.log[-1]
        shown = [f"{self.folder}  {self.training['method']}, {self.training['steps']} steps, kl {_shown(last['kl'])}"]
        for name, share in {**dict.fromkeys(last["rewards"], 0.0), **self.training["mixture"]}.items():
            before, after = (_shown(line["rewards"].get(name)) for line in (first, last))
            shown.append(f"  {name:<12} {before} -> {after}" + ("" if share else "  (watched)"))
        shown += [f"  {name:<12} is {spec}" for name, spec in self.training["rewards"].items() if "@" in spec]
        if self.published:
            shown.append(f"  published   {self.published.repo} {self.published.tag or ''}".rstrip())
        return shown


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

    Args:
        recipe: A YAML file, or a mapping of the same shape.
        overrides: Dotted key to value as written: ``{"lora.r": "4", "seed": "1"}``.
        output: The folder of the expert; by default named after the rewards that are trained on.
        push: Publish to this repo when it is trained.
        private: Create that repo private.
        license: The licence of the published adapter.
        endpoint: The hub's address.
        token: Who fetches and publishes.
        progress: Called with the steps done and the steps in all.
        on_log: Called with each line of the log: step, reward, one mean for each reward, kl, length.

    Raises:
        InvalidInput: The recipe or an override is malformed, a run of another recipe is there, or the expert could not
            be pushed to that repo.
        NotFound: Recipe, base or prompts are not there.
        IntegrityError: The base's files are not what the hub says they are, or the training ended in NaN.
        Incompatible: The trained adapter may not be published as it is.
        OutputError: The output cannot be written, or something is there already.
        RshubError: The training diverged.
        MissingExtra: The training libraries are not installed.
        HubError: The hub or the network failed.
    """
    wanted = read_recipe(recipe, overrides=overrides)
    if push is not None:
        parse_repo(push)
    folder = Path(output) if output is not None else Path("-".join(wanted.mixture()))
    hub = Hub(endpoint, token)
    wanted = replace(wanted, rewards={name: reward.pin(hub) for name, reward in wanted.rewards.items()})
    name, spec = objective(wanted)
    base = identify_base(wanted.base, hub)
    if push is not None:
        _refuse_unpublishable(base, push, name, hub, private=private)
    prompts = read_prompts(wanted.dataset, endpoint=endpoint, token=token)
    _refuse_bare(wanted, prompts)
    for reward in wanted.rewards.values():
        reward.make_ready({"corpus": prompts.references()})
    versions = {tool: _version(tool) for tool in TOOLS}
    identity = {"recipe": wanted.to_json(), "base": dict(base.files), "prompts": prompts.digest, "versions": versions}
    method = _method(wanted.method)
    with ExitStack() as stack:
        run = stack.enter_context(run_folder(folder, identity))
        staging = stack.enter_context(fresh_folder(folder))
        log = method(
            wanted,
            base=stack.enter_context(fetch_base(pin_base(base), hub)),
            rows=prompts.rows(),
            output=_emptied(run / "adapter"),
            log=run / LOG,
            checkpoints=run / CHECKPOINTS if wanted.save_steps else None,
            progress=_both(progress, on_log),
        )
        training = summary(wanted, prompts, log)
        (staging / CONFIG).write_bytes(file_bytes(_named_base(run / "adapter" / CONFIG, base)))
        shutil.copyfile(run / "adapter" / WEIGHTS, staging / WEIGHTS)
        read_adapter(staging, label=str(folder)).check_finite()
        shutil.copyfile(run / LOG, staging / LOG)
        (staging / TRAINING).write_bytes(file_bytes(training))
    published = None
    if push is not None:
        try:
            published = publish(
                folder,
                push,
                reward=name,
                spec=spec,
                training=training,
                private=private,
                license=license,
                endpoint=endpoint,
                token=token,
            )
        except RshubError as fault:
            fault.remedy = f"the expert itself is whole, in {folder}: rshub publish takes it; {fault.remedy}"
            raise
    return TrainResult(
        folder=folder, training=training, log=log, reward=name, spec=spec, base=base, published=published
    )


def _refuse_unpublishable(base: BaseIdentity, push: str, reward: str, hub: Hub, *, private: bool) -> None:
    """Refuse to train for a repo that could not take the expert."""
    if base.repo_id is None:
        raise InvalidInput(
            f"{base}: the base of a published expert is a repo, not a folder",
            where="base",
            remedy="publish the base first (hf upload OWNER/BASE DIR) and name it in the recipe, or leave --push out",
        )
    check_target(push, reward, hub, private=private)


def objective(recipe: Recipe) -> tuple[str, str]:
    """Name what a recipe trains for and give its spec: the one reward, or the weighted sum under joined names."""
    mixture = recipe.mixture()
    if list(mixture.values()) == [1.0]:
        name = next(iter(mixture))
        return name, recipe.rewards[name].spec
    terms: dict[str, float] = {}
    for name, share in mixture.items():
        sign = -1.0 if recipe.rewards[name].direction == "min" else 1.0
        for metric, coefficient in recipe.rewards[name].terms.items():
            terms[metric] = terms.get(metric, 0.0) + sign * share * coefficient
    return "-".join(mixture), Reward(terms).spec


def summary(recipe: Recipe, prompts: PromptSet, log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say how an expert was trained: the manifest's ``training`` and more; ``kl`` is in nats per token at the end."""
    settings = recipe.to_json()
    return {
        "method": recipe.method,
        "objective": "rl",
        "mixture": recipe.mixture(),
        "seed": recipe.seed,
        "steps": recipe.steps,
        "kl": log[-1]["kl"],
        "dataset": prompts.facts(),
        "versions": {"rshub": __version__, **{tool: _version(tool) for tool in TOOLS}},
        "rewards": settings["rewards"],
        "final": dict(log[-1]["rewards"]),
        "settings": {
            key: value
            for key, value in settings.items()
            if key not in {"method", "base", "dataset", "rewards", "reward_weights", "seed", "steps"}
        },
    }


def _method(name: str) -> Callable[..., list[dict[str, Any]]]:
    """Import the file of a method, and with it the libraries that take seconds to import."""
    try:
        from rshub.training.rloo import train_rloo
    except ImportError as fault:
        raise MissingExtra("train", needed_for="training") from fault
    return {"rloo": train_rloo}[name]


def _refuse_bare(recipe: Recipe, prompts: PromptSet) -> None:
    """Refuse prompts on which a reward in use scores nothing, before an hour is spent on them."""
    if len(prompts.prompts) * recipe.num_generations < recipe.batch:
        raise InvalidInput(
            f"{prompts.name}: {len(prompts.prompts)} prompts are too few for a batch of {recipe.batch} completions",
            where="batch",
            remedy=f"lower batch to {len(prompts.prompts) * recipe.num_generations}, or give more prompts",
        )
    if any(prompt.references for prompt in prompts.prompts):
        return
    needy = [name for name in recipe.mixture() if recipe.rewards[name].needs_references]
    if needy:
        raise InvalidInput(
            f"{prompts.name}: no prompt has references, which {needy[0]} needs",
            where=prompts.name,
            remedy='write lines like {"prompt": "...", "references": ["..."]}',
        )


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


def _named_base(config: Path, base: BaseIdentity) -> dict[str, Any]:
    """Give the adapter's config with the base's true name and commit, and lists in one order."""
    named = load_json(config.read_bytes(), source=str(config))
    for key in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(named.get(key), list):
            named[key] = sorted(named[key])
    place = base.repo_id or str(Path(base.path or "").resolve())
    return named | {"base_model_name_or_path": place, "revision": base.revision}


def _both(
    progress: Callable[[int, int], None] | None, on_log: Callable[[Mapping[str, Any]], None] | None
) -> Callable[[Mapping[str, Any]], None]:
    def tell(line: Mapping[str, Any]) -> None:
        if progress is not None:
            progress(line["step"], line["steps"])
        if on_log is not None:
            on_log(line)

    return tell


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
