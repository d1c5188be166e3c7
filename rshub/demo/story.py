"""The whole life of a rewarded soup on the tiny world, act by act, on an embedded hub: nothing in it is simulated.

Each act calls the same public functions that a user would call. Everything lands below one folder; what the figures
show is said as it is, also where it speaks against soups.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rshub.demo.proof import Agreement, same_function
from rshub.demo.recipes import MIXTURES, REWARDS, recipe, recipe_yaml
from rshub.demo.sizes import FAST, FULL, Sizes
from rshub.demo.tiny_base import BASE_CARD, train_base
from rshub.demo.words import figures_in_words, side_by_side, table
from rshub.demo.world import MAX_WORDS, corpus, jsonl
from rshub.errors import IntegrityError, OutputError
from rshub.evaluation.evaluator import Evaluator
from rshub.evaluation.meter import counted
from rshub.evaluation.points import line, manifest_rows, prompts_facts, scores_of
from rshub.evaluation.sampling import Sampling
from rshub.experts.publish import publish
from rshub.formats.canonical import file_bytes
from rshub.fronts.front import front
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from rshub.preferences.scores import Point, Scores
from rshub.prompts.prompt import PromptSet
from rshub.prompts.read import read_prompts
from rshub.rewards.spec import Reward, reward_from_spec
from rshub.soups.compose import Soup, compose
from rshub.soups.lock import FILE_NAME as LOCK
from rshub.soups.resolve import Resolution, resolve
from rshub.training.quiet import torch_on_one_thread
from rshub.training.result import TrainResult
from rshub.training.train import train

GUEST = "guest"
WORLD, CONTRIBUTORS = "world", ("ada", "ben")
BASE, PROMPTS, SOUP = f"{WORLD}/restaurant-base", f"{WORLD}/restaurant-prompts", "ada/restaurant-soup"
FIRST, SECOND = REWARDS
PREFERENCE = f"{FIRST}=0.5, {SECOND}=0.5"

Progress = Callable[[int, int], None]
Bar = Callable[[str, str], AbstractContextManager[Progress | None]]
"""Given what is going on and the unit, shows a bar and gives the callback that moves it."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every act needs: the folder, the sizes, the hub and its tokens, and how to say and show things."""

    out: Path
    sizes: Sizes
    fast: bool
    hub: Hub
    tokens: Mapping[str, str]
    say: Callable[[str], None]
    bar: Bar
    program: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """The story's artefacts and figures."""

    out: Path
    resolution: Resolution
    soup: Soup
    agreement: Agreement
    scores: Scores
    figures: Mapping[str, Any]
    generations: Mapping[str, str]
    prompt: str
    fast: bool
    guest: str
    program: Sequence[str] = ("rshub",)

    def to_json(self) -> dict[str, Any]:
        """Give the story for a program."""
        return {
            "out": str(self.out),
            "base": BASE,
            "resolution": self.resolution.to_json(),
            "soup": self.soup.to_json(),
            "agreement": vars(self.agreement),
            "front": dict(self.figures),
            "generations": dict(self.generations),
            "prompt": self.prompt,
            "fast": self.fast,
            "next": self.next_commands(),
        }

    def lines(self) -> list[str]:
        """Tell what came out, and what to type next."""
        shown = ["", *table(self.scores, (FIRST, SECOND)), ""]
        if self.fast:
            shown.append("Trained for a moment only (--fast), so these figures show the way, not the result.")
        else:
            shown += figures_in_words(self.scores, self.figures, (FIRST, SECOND))
        shown += ["", f"Asked: {self.prompt}", *side_by_side(self.generations), ""]
        shown.append(f"Picture {self.out / 'front.png'}, figures {self.out / 'scores.json'}, soup {self.soup.out}")
        return [*shown, "The hub is stopped. Go on with it:", *(f"  {command}" for command in self.next_commands())]

    def next_commands(self) -> list[str]:
        """Give three commands that work on the hub that the story leaves behind.

        They name a token that may only read, so that one of another hub in the environment does no harm.
        """
        here = ["--endpoint", "http://127.0.0.1:8321", "--token", self.guest]
        wanted = f"{FIRST}=0.8, {SECOND}=0.2"
        typed: list[list[str]] = [
            ["hub", "serve", "--root", str(self.out / "hub"), "--port", "8321"],
            ["ls", *here],
            ["compose", wanted, "--base", BASE, "--out", "./my-soup", *here],
        ]
        return [shlex.join([*self.program, *words]) for words in typed]


def run(
    out: Path, *, fast: bool = False, say: Callable[[str], None], bar: Bar, program: Sequence[str] = ("rshub",)
) -> Told:
    """Tell the story.

    Args:
        out: A new folder for hub, models, soups, scores and picture.
        fast: Train for a moment only: the same acts, no claims.
        say: Told one line for each act.
        bar: Shows progress.
        program: The words that call rshub, for the commands that are suggested at the end.

    Raises:
        OutputError: The folder holds something already.
        RshubError: Whatever an act raises.
    """
    out = _made(out)
    server = LocalHub(out / "hub")
    with server:
        tokens = {name: server.add_user(name, orgs=[(WORLD, "write")]) for name in CONTRIBUTORS}
        tokens[GUEST] = server.add_user(GUEST, role="read")
        say(f"1  hub       {server.endpoint}, for two contributors: {' and '.join(CONTRIBUTORS)}")
        hub = Hub(server.endpoint, tokens["ada"])
        stage = Stage(
            out=out, sizes=FAST if fast else FULL, fast=fast, hub=hub, tokens=tokens, say=say, bar=bar, program=program
        )
        with torch_on_one_thread():
            return _acts(stage)


def _made(out: Path) -> Path:
    """Make the folder of the story.

    Raises:
        OutputError: Something is there already, or it cannot be made.
    """
    try:
        taken = out.is_dir() and any(out.iterdir())
        out.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(
            f"{out}: no folder can be made there: {fault.strerror}", where=str(out), remedy="choose another --out"
        ) from fault
    if taken:
        raise OutputError(f"{out} is there already and is not empty", where=str(out), remedy="choose another --out")
    return out.resolve()


def _acts(stage: Stage) -> Told:
    out, endpoint = stage.out, stage.hub.endpoint
    draft, base = _bases(stage)
    prompts = _prompts(stage)
    trained = {name: _train(stage, name, base) for name in MIXTURES}
    rewards = {name: reward_from_spec(spec) for name, spec in REWARDS.items()}
    folders = {name: result.folder for name, result in trained.items()}
    corners = _measure(stage, "measuring experts", folders, [{name: 1.0} for name in trained] + [{}], prompts)
    measured = dict(zip((*trained, "init"), corners, strict=True))
    for who, name in zip(CONTRIBUTORS, REWARDS, strict=True):
        row = manifest_rows(measured[name].rewards, prompts_facts(prompts), measured_by=who)
        _publish(stage, who, trained[name], f"{who}/restaurant-{name}", reward=name, base=base, row=row)
    _publish_early_expert(stage, draft)

    lock = out / LOCK
    found = resolve(PREFERENCE, base=BASE, lock=lock, endpoint=endpoint, token=stage.tokens["ada"])
    stage.say(f"5  resolve   {PREFERENCE} on {BASE}: found by tags and manifests, pinned in {lock.name}")
    for why in found.lines()[1:]:
        stage.say(f"           {why}")
    soup, agreement = _compose(stage, lock)

    grid = line(SECOND, FIRST, stage.sizes.grid)
    interior = _measure(stage, "measuring soups", folders, grid[1:-1], prompts)
    scores = _scores(measured, interior, rewards, prompts)
    (out / "scores.json").write_bytes(scores.to_bytes())
    figures = front(
        scores=scores, plot=out / "front.png", title="Rewarded soups of two experts, restaurant descriptions"
    )
    stage.say(f"7  measure   {len(grid)} lambdas on {len(prompts.prompts)} prompts: scores.json, front.png")

    pushed = compose(str(lock), out=out / "soup-pushed", push=SOUP, endpoint=endpoint, token=stage.tokens["ada"]).pushed
    assert pushed is not None
    stage.say(f"8  push      {pushed['repo']} {pushed['tag']}, with its card and its lock")
    asked = prompts.prompts[0].text
    told = Told(
        out=out,
        resolution=found,
        soup=soup,
        agreement=agreement,
        scores=scores,
        figures=figures,
        prompt=asked,
        generations=_answers(stage, folders, prompts),
        fast=stage.fast,
        guest=stage.tokens[GUEST],
        program=stage.program,
    )
    kept = {name: value for name, value in told.to_json().items() if name != "next"}  # which hold a token
    (out / "story.json").write_bytes(file_bytes(kept))
    return told


def _bases(stage: Stage) -> tuple[str, str]:
    """Make the base twice, a first draft and the real one, as two commits of one repo; give both commits."""
    stage.hub.create_repo(BASE)
    commits = []
    loss = float("nan")
    for name, steps in (("draft", stage.sizes.draft_steps), ("base", stage.sizes.base_steps)):
        folder = stage.out / name
        with stage.bar(f"training the {name}", "step") as tell:
            loss = train_base(folder, steps=steps, progress=partial(_step, tell) if tell else None)
        files: dict[str, bytes | Path] = {path.name: path for path in sorted(folder.iterdir())}
        files["README.md"] = BASE_CARD.encode()
        done = stage.hub.commit(BASE, files, message=f"The {name}: {steps} supervised steps")
        commits.append(done.commit)
    stage.hub.tag(BASE, "v1.0.0", revision=commits[1])
    stage.say(f"2  base      {BASE} v1.0.0: a Llama of 193 thousand parameters, loss {loss:.3f} nats per word")
    return commits[0], commits[1]


def _step(tell: Progress, done: int, steps: int, _loss: float) -> None:
    tell(done, steps)


def _prompts(stage: Stage) -> PromptSet:
    """Publish the prompts as a dataset, so that all train and measure on the same ones; give those to measure on."""
    stage.hub.create_repo(PROMPTS, repo_type="dataset")
    files: dict[str, bytes | Path] = {
        "train.jsonl": jsonl(corpus(stage.sizes.train_prompts, seed=7, references=4)),
        "test.jsonl": jsonl(corpus(stage.sizes.test_prompts, seed=1, references=4)),
    }
    stage.hub.commit(PROMPTS, files, message="Prompts with four references each", repo_type="dataset")
    return read_prompts(f"{PROMPTS}:test", endpoint=stage.hub.endpoint, token=stage.tokens["ada"])


def _train(stage: Stage, name: str, base: str, *, output: str = "", steps: int | None = None) -> TrainResult:
    """Train one expert, or the costly baseline on the mixed reward; all start from one base with one seed."""
    places = {"base": f"{BASE}@{base}", "dataset": f"{PROMPTS}:train"}
    wanted = recipe(name, **places, fast=stage.fast, steps=steps)
    output = output or name
    written = stage.out / "recipes" / f"{output}.yaml"
    written.parent.mkdir(exist_ok=True)
    written.write_text(recipe_yaml(wanted), encoding="utf-8")
    with stage.bar(f"training {output}", "step") as tell:
        result = train(
            wanted,
            output=stage.out / "experts" / output,
            endpoint=stage.hub.endpoint,
            token=stage.tokens["ada"],
            progress=tell,
        )
    first, last = result.log[0]["rewards"], result.log[-1]["rewards"]
    moved = ", ".join(f"{reward} {first[reward]:.3f} -> {last[reward]:.3f}" for reward in result.log[-1]["rewards"])
    stage.say(
        f"3  train     {output}: {moved}, kl {result.training['kl']:.2f} per token, {result.training['steps']} steps"
    )
    return result


def _measure(
    stage: Stage, doing: str, folders: Mapping[str, Path], grid: Sequence[Mapping[str, float]], prompts: PromptSet
) -> list[Point]:
    with (
        stage.bar(doing, "completion") as tell,
        Evaluator.open(
            folders,
            base=str(stage.out / "base"),
            rewards={name: reward_from_spec(spec) for name, spec in REWARDS.items()},
            prompts=prompts,
            sampling=Sampling(max_new_tokens=MAX_WORDS),
            endpoint=stage.hub.endpoint,
            told=counted(tell, len(grid) * len(prompts.prompts)),
        ) as evaluator,
    ):
        return [evaluator.point(coefficients) for coefficients in grid]


def _publish(
    stage: Stage,
    who: str,
    result: TrainResult,
    repo: str,
    *,
    reward: str,
    base: str,
    row: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Let a contributor publish an expert with their own token."""
    done = publish(
        result.folder,
        repo,
        reward=reward,
        spec=REWARDS[reward],
        base=f"{BASE}@{base}",
        license="apache-2.0",
        version="1.0.0",
        training=result.training,
        scores=row,
        endpoint=stage.hub.endpoint,
        token=stage.tokens[who],
    )
    stage.say(f"4  publish   {who} publishes {done.repo} {done.tag} ({str(done.commit)[:8]})")


def _publish_early_expert(stage: Stage, draft: str) -> None:
    """Publish a recall expert of the base's first draft: a real one, which does not fit the base of today."""
    result = _train(stage, "recall", draft, output="early-recall", steps=stage.sizes.early_expert_steps)
    _publish(stage, "ben", result, "ben/early-recall", reward="recall", base=draft)


def _compose(stage: Stage, lock: Path) -> tuple[Soup, Agreement]:
    """Compose an adapter and a checkpoint, compare them in plain transformers and peft, rebuild from the lock."""
    out, endpoint, token = stage.out, stage.hub.endpoint, stage.tokens["ada"]
    adapter = compose(str(lock), out=out / "soup-adapter", format="adapter", endpoint=endpoint, token=token)
    soup = compose(str(lock), out=out / "soup", endpoint=endpoint, token=token)
    again = compose(str(soup.out / LOCK), out=out / "soup-again", endpoint=endpoint, token=token)
    if again.lock.outputs != soup.lock.outputs:
        raise IntegrityError("the soup came out with other bytes the second time", where=str(again.out))
    agreement = same_function(base=out / "base", checkpoint=soup.out, adapter=adapter.out)
    kept = soup.report.figures["survival"]
    stage.say(f"6  compose   a checkpoint, and an adapter of rank {adapter.report.figures['rank']['written']}")
    stage.say(f"             in plain transformers and peft their logits differ by at most {agreement.largest:.1e}")
    stage.say(f"             rounding keeps {kept:.4%} of the change; rebuilt from its lock, every byte is the same")
    return soup, agreement


def _scores(
    measured: Mapping[str, Point], interior: Sequence[Point], rewards: Mapping[str, Reward], prompts: PromptSet
) -> Scores:
    """Put the points of the story in order: experts and soups along lambda, the baseline, the start."""
    morl = Point(kind="morl", rewards=measured["morl"].rewards, preference=PREFERENCE)
    along = [measured[SECOND], *interior, measured[FIRST]]
    return scores_of([*along, morl, measured["init"]], rewards, prompts=prompts_facts(prompts), base=BASE)


def _answers(stage: Stage, folders: Mapping[str, Path], prompts: PromptSet) -> dict[str, str]:
    """Give the most probable text for the first prompt at a few lambdas."""
    with Evaluator.open(
        folders,
        base=str(stage.out / "base"),
        rewards={},
        prompts=replace(prompts, prompts=prompts.prompts[:1]),
        sampling=Sampling(max_new_tokens=MAX_WORDS, temperature=0.0),
        endpoint=stage.hub.endpoint,
    ) as evaluator:
        shares = (0.0, 0.5, 1.0)
        return {f"lambda {share:g}": evaluator.completions({FIRST: share, SECOND: 1 - share})[0] for share in shares}
