"""``select``: from a preference over rewards to the coefficients of a soup, with as few evaluations as a budget allows.

It works on models (experts on a base, measured on prompts by rewards), on anything else that can be measured
(``measure``), and on stored scores alone, a paper's table among them. What was evaluated for one person serves all that
come later: read their scores first, and new preferences cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rshub.errors import InvalidInput
from rshub.evaluation.named_rewards import named_rewards
from rshub.evaluation.sampling import BATCH, Sampling
from rshub.evaluation.selection.answer import answer
from rshub.evaluation.selection.named import Offered, as_preference
from rshub.evaluation.selection.rule import by_rule
from rshub.evaluation.selection.search import Goal, Measure, measure_one, search
from rshub.evaluation.selection.selection import Selection, Spent
from rshub.evaluation.selection.source import Models, Source, opened, refuse_gaps
from rshub.evaluation.selection.store import Store, contents, read_known
from rshub.evaluation.selection.strategy import Space
from rshub.formats.canonical import digest
from rshub.formats.fields import nearest
from rshub.preferences.evidence import gather
from rshub.preferences.limits import limits_of
from rshub.preferences.mapping import MAPPINGS, UNITS
from rshub.preferences.policy import Policy, check
from rshub.preferences.preference import INIT, Preference
from rshub.preferences.scores import SOUPS, Point, Scores
from rshub.preferences.simplex import Array
from rshub.preferences.wish import refuse_unknown

BUDGET = 8
"""Evaluations where something can be measured and nobody said how many."""


def select(
    preference: str,
    *,
    experts: Sequence[str] = (),
    base: str | None = None,
    rewards: Sequence[str] | Mapping[str, str] = (),
    prompts: str | Path | None = None,
    budget: int | None = None,
    scores: Path | str | Scores | None = None,
    out: Path | str | None = None,
    mapping: str = "surrogate",
    units: str = "normalised",
    policy: Path | str | None = None,
    extrapolate: bool = False,
    seeds: int = 1,
    limit: int | None = None,
    max_new_tokens: int = 128,
    temperature: float = 1.0,
    batch: int = BATCH,
    dtype: str = "float32",
    device: str | None = None,
    ledger: Path | str | None = None,
    remember: bool = True,
    measure: Measure | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose the coefficients of a soup for a preference.

    Args:
        preference: What each scored reward counts: ``helpful=0.7, concise=0.3``. A share of ``init`` stays with the
            start.
        experts: ``PLACE`` or ``NAME=PLACE``, a repo or a folder each; an expert without a name is called by its reward.
            With ``measure``, or to take only some of those in the scores: the names of coefficients.
        base: The base of the experts: ``owner/name[@revision]`` or a folder.
        rewards: Specs, each optionally named, as for ``evaluate``.
        prompts: A JSONL file, or ``owner/repo[@revision]:split``.
        budget: New evaluations at most (8 where something can be measured). What an earlier run of the same request
            left in ``out`` counts, so a run that was ended goes on, and one that was finished costs nothing.
        scores: Stored evaluations, or their file; read first.
        out: Where everything that is known is kept, with each new evaluation as it is made.
        mapping: ``surrogate`` searches; ``identity``, ``payoff`` and ``mixture`` go by their rule, and what they give
            is measured if the budget allows.
        units: What the preference counts: ``normalised`` or ``raw`` reward units.
        policy: A policy file with bounds and denied repos.
        extrapolate: Allow a preference with negative numbers and sums other than 1. Coefficients stay from 0 to 1.
        seeds: Completions for each prompt; all soups meet the same random numbers.
        limit: Use only the first so many prompts.
        max_new_tokens: Tokens in a completion at most.
        temperature: Of the sampling; 0 takes the most probable token.
        batch: Prompts generated together.
        dtype: In which dtype models are loaded.
        device: Where models run; an accelerator if there is one.
        ledger: Where completions and scores are remembered; in the user's cache by default.
        remember: Whether to use a ledger at all.
        measure: Measures coefficients in place of experts and a base.
        endpoint: The hub's address.
        token: Who is asking.
        progress: Called with the evaluations done and the budget.

    Raises:
        InvalidInput: The preference, the scores or an option is malformed, or there is nothing to choose from.
        Incompatible: Experts that do not fit the base or each other, or a policy that leaves no soup.
        NotFound: A file, a repo or the base is not there.
        IntegrityError: Files that are not what was pinned.
        OutputError: The evaluations cannot be written.
        MissingExtra: The model libraries are not installed.
        RshubError: A measurement failed; what was measured before it is kept in ``out``.
    """
    wanted = _wanted(preference, extrapolate=extrapolate)
    _known_word(mapping, MAPPINGS, "mapping")
    _known_word(units, UNITS, "units")
    rules = Policy.load(policy) if policy is not None else None
    models = None
    if base is not None or rewards or prompts is not None:
        refuse_gaps(experts, base, rewards, prompts, measure)
        models = Models(
            experts=experts,
            base=str(base),
            rewards=named_rewards(rewards),
            prompts=str(prompts),
            limit=limit,
            sampling=Sampling(seeds=seeds, max_new_tokens=max_new_tokens, temperature=temperature, batch=batch),
            ledger=ledger,
            remember=remember,
            device=device,
            dtype=dtype,
            endpoint=endpoint,
            token=token,
        )
    with opened(models, measure, rules) as source:
        places = {name: one.place for name, one in source.experts.items()}
        called = {one.repo: name for name, one in source.experts.items()}
        called |= {place: name for name, place in places.items()}
        known = read_known(scores, out, source.facts, names=called)
        if known is None:
            raise InvalidInput(
                "select: there is nothing to choose from",
                where="scores",
                remedy="give --scores FILE, or EXPERT... with --base, --reward and --prompts",
            )
        refuse_unknown({term.name: term.value for term in (*wanted.terms, *wanted.zeros)}, known)
        names = tuple(source.experts) or _named(experts, known, can_measure=source.measure is not None)
        space = _space(names, wanted.init, source.experts, rules)
        goal = Goal(space=space, mu=wanted.values, units=units)
        store = _store(known, out, goal, mapping, source)
        spent = _budgeted(budget, store, can_measure=source.measure is not None)
        rule = _spend(store, goal, mapping, spent=spent, source=source, progress=progress)
        spent = replace(spent, request=store.spent, new=len(store.scores.points) - spent.known)
        found = answer(store.scores, goal, spent, rule=rule)
        return replace(
            found,
            preference=str(wanted),
            soup=as_preference(found.coefficients, places),
            out=Path(out) if out is not None else None,
        )


def _wanted(text: str, *, extrapolate: bool) -> Preference:
    wanted = Preference.parse(text, extrapolate=extrapolate)
    for term in (*wanted.terms, *wanted.zeros):
        if term.kind != "reward":
            raise InvalidInput(
                f"select: {term.label} is no reward; a preference says what each reward counts",
                where=term.label,
                remedy="name the experts as arguments, and rewards in the preference",
            )
    if not wanted.terms:
        raise InvalidInput("select: nothing is wanted but the start", where=INIT, remedy="say what some reward counts")
    if not 0.0 <= wanted.init < 1.0:
        raise InvalidInput(
            f"select: the share of the start is {wanted.init:g}, not from 0 to 1", where=INIT, remedy="mend init="
        )
    return wanted


def _named(experts: Sequence[str], known: Scores, *, can_measure: bool) -> tuple[str, ...]:
    """Take the experts that were named, or all that stored soups are made of.

    Raises:
        InvalidInput: One is not in the scores, and cannot be measured either.
    """
    if not experts:
        return _experts_in(known)
    for name in experts:
        if not can_measure and name not in (there := _experts_in(known)):
            guess = nearest(name[:40], there)
            raise InvalidInput(
                f"select: no soup of {name[:40]!a} is among the scores"
                + (f"; did you mean {guess!r}?" if guess else ""),
                where=name[:40],
                remedy="name experts as the coefficients do, or give --base, --reward and --prompts to measure them",
            )
    return tuple(experts)


def _experts_in(scores: Scores) -> tuple[str, ...]:
    """Name the experts that stored soups are made of, as they come."""
    names = [name for point in scores.points if point.kind in SOUPS for name in point.coefficients or {}]
    found = tuple(dict.fromkeys(name for name in names if name != INIT))
    if not found:
        raise InvalidInput(
            "select: the scores hold no soup and no expert with coefficients",
            where="points",
            remedy="give each soup its coefficients, an expert those of itself alone: {name: 1}",
        )
    return found


def _space(names: Sequence[str], init: float, experts: Mapping[str, Offered], rules: Policy | None) -> Space:
    """Bound the soups to choose from by the policy and by what the experts' publishers stand behind."""
    corners = (*names, INIT) if init else tuple(names)
    if len(set(corners)) < len(corners) or INIT in names:
        raise InvalidInput(
            "select: an expert is there twice, or is called init", where="experts", remedy="name each once"
        )
    published = {name: expert.bounds for name, expert in experts.items() if expert.bounds is not None}
    if rules is None and not published:
        return Space(corners=corners, init=init, allowed=lambda _: True)
    repos = {name: expert.repo for name, expert in experts.items()}
    rewards = {name: expert.reward for name, expert in experts.items() if expert.reward}

    def allowed(shares: Array) -> bool:
        coefficients = dict(zip(corners, shares.tolist(), strict=True))
        return not check(coefficients, policy=rules, published=published, repos=repos, rewards=rewards)

    limits = limits_of(names, init=init, policy=rules, published=published, repos=repos, rewards=rewards)
    return Space(corners=corners, init=init, allowed=allowed, limits=limits)


def _store(known: Scores, out: Path | str | None, goal: Goal, mapping: str, source: Source) -> Store:
    """Name the request: what makes two runs ask for the same evaluations."""
    request = {
        "preference": dict(goal.mu),
        "units": goal.units,
        "mapping": mapping,
        "corners": list(goal.space.corners),
        "places": {name: expert.place for name, expert in source.experts.items()},
        "contents": contents(source.facts) if source.facts is not None else {},
    }
    return Store(scores=known, out=Path(out) if out is not None else None, request=digest(request)[:16])


def _budgeted(budget: int | None, store: Store, *, can_measure: bool) -> Spent:
    """Hold the budget against what can be measured."""
    if budget is not None and budget < 0:
        raise InvalidInput("select: a budget is at least 0", where="--budget", remedy="say how many soups to measure")
    if budget and not can_measure:
        raise InvalidInput(
            "select: there is nothing to measure new soups with",
            where="--budget",
            remedy="give EXPERT... with --base, --reward and --prompts, or leave --budget out",
        )
    total = budget if budget is not None else BUDGET if can_measure else 0
    return Spent(known=len(store.scores.points), request=store.spent, new=0, budget=total)


def _spend(
    store: Store,
    goal: Goal,
    mapping: str,
    *,
    spent: Spent,
    source: Source,
    progress: Callable[[int, int], None] | None,
) -> tuple[str, Array] | None:
    """Measure what the budget allows; give the mapping's own coefficients where it is not searched for them."""
    left = max(0, spent.budget - spent.request)
    measure = source.measure
    if measure is None:
        left = 0

    def told(coefficients: Mapping[str, float]) -> Point:
        assert measure is not None
        point = measure(coefficients)
        if progress is not None:
            progress(store.spent + 1, spent.budget)
        return point

    if left:
        store.write()
    if mapping == "surrogate":
        search(store.scores, goal, budget=left, measure=told, keep=store.keep)
        return None
    if mapping == "payoff":
        search(store.scores, goal, budget=left, measure=told, keep=store.keep, corners_only=True)
        left = max(0, spent.budget - store.spent)
    shares = by_rule(store.scores, goal, mapping)
    if left and gather(store.scores, goal.space.corners).row_at(shares, list(goal.wanted)) is None:
        measure_one(goal, shares, measure=told, keep=store.keep)
    return mapping, shares


def _known_word(word: str, valid: Sequence[str], what: str) -> None:
    if word not in valid:
        raise InvalidInput(f"no {what} {word[:40]!r}", where=word[:40], remedy=f"one of {', '.join(valid)}")
