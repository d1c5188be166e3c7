"""Composing a soup: resolve or read a lock, fetch what it pins, check the digests, write all of it or nothing.

The arithmetic is elsewhere (``plan``, ``writing``); this is the way from a preference to a folder that is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rshub.errors import IntegrityError, InvalidInput, OutputError, RshubError
from rshub.experts.base_identity import read_layout
from rshub.hub.client import Hub
from rshub.preferences.policy import Policy
from rshub.soups.card import render_soup_card
from rshub.soups.fetch import fetch_base, fetch_terms, identity_of
from rshub.soups.lock import FILE_NAME, OutputForm, SoupLock
from rshub.soups.methods.method import Options
from rshub.soups.methods.registry import find_method, refuse_start, settle_options
from rshub.soups.plan import ComposePlan, check_options, plan_soup
from rshub.soups.push import check_target, push_soup
from rshub.soups.report_lines import plan_lines
from rshub.soups.resolve import Resolution, obey, resolve
from rshub.soups.writing.build import SoupReport, write_soup
from rshub.soups.writing.earlier import EarlierSoup
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.file_digest import remember_digests
from rshub.tensors.writer import fresh_folder, write_whole

CARD = "README.md"
SHARED_START = (
    "norms, shares and cosines include the start that the experts continue: with coefficients that sum to one it is "
    "not fetched"
)


@dataclass(frozen=True, kw_only=True)
class Soup:
    """A soup on disk, the lock that makes it again, and what its making cost in rounding.

    After a dry run there is a ``plan`` instead: what would be read, changed and written.
    """

    out: Path
    lock: SoupLock
    report: SoupReport
    resolution: Resolution | None = None
    pushed: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the soup for a program."""
        return {
            "out": str(self.out),
            "format": self.lock.form.format,
            "method": self.lock.form.method,
            "mapping": self.lock.mapping,
            "coefficients": dict(self.lock.coefficients),
            "files": {name: dict(claim) for name, claim in sorted(self.report.files.items())},
            "report": self.report.figures,
            "pushed": dict(self.pushed) if self.pushed else None,
            **({} if self.plan is None else {"plan": dict(self.plan)}),
        }

    def lines(self) -> list[str]:
        """Describe the soup for a person."""
        shown = list(self.resolution.lines()) if self.resolution else []
        mixed = " + ".join(f"{e.coefficient:g} * {e.label}" for e in self.lock.experts) or "the start itself"
        shown.append(f"{self.out}  ({self.lock.form.format}, {self.lock.form.method}): {mixed}")
        if self.plan is not None:
            return shown + [f"  {line}" for line in plan_lines(self.plan)]
        shown += [f"  {line}" for line in self.report.lines()]
        if shared := self.report.figures.get("shared"):
            shown.append(f"  {len(shared['files'])} files ({shared['bytes']} bytes) are shared with the earlier soup")
        if self.pushed:
            shown.append(f"  pushed to {self.pushed['repo']} {self.pushed['tag']} ({str(self.pushed['commit'])[:8]})")
        return shown


def compose(
    preference_or_lock: str,
    *,
    out: Path | str,
    base: str | None = None,
    format: str | None = None,  # noqa: A002 - the command line's word
    method: str | None = None,
    rank: int | None = None,
    pad_rank: int | None = None,
    dtype: str | None = None,
    density: float | None = None,
    seed: int | None = None,
    layout: str | None = None,
    reuse: Path | str | None = None,
    hash: bool = False,  # noqa: A002 - the command line's word
    digests: bool = True,
    push: str | None = None,
    mapping: str = "identity",
    units: str = "normalised",
    scores: Path | None = None,
    policy: Path | None = None,
    extrapolate: bool = False,
    lock: Path | str | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    endpoint: str | None = None,
    token: str | None = None,
) -> Soup:
    """Compose theta_0 + sum_i lambda_i * Delta_i into a new folder.

    Args:
        preference_or_lock: A preference string, or the path of a ``soup.lock.json``.
        out: The folder to make; it appears when it is whole.
        base: The base of a preference; a lock has its own.
        format: ``checkpoint`` (the default) or ``adapter``; None takes a lock's own.
        method: How deltas are mixed; None takes a lock's own, else ``delta``.
        rank: Truncate the adapter to this rank; the lost energy is reported.
        pad_rank: Pad the adapter with zeros to this rank.
        dtype: ``auto`` (each tensor's own), ``bfloat16``, ``float16`` or ``float32``.
        density: The share of each delta that is kept, for a method that keeps less than all; None takes a lock's own.
        seed: What chooses the elements that are kept, for a method that draws them; None takes a lock's own.
        layout: How tensors are dealt to shards: ``base``, as the base has them, or ``split``, what changes apart from
            what does not; None takes a lock's own.
        reuse: An earlier split soup of the same base, whose untouched files are shared instead of written again.
        hash: Hash every input afresh instead of trusting digests that were taken earlier.
        digests: Take the sha256 of every output and keep them in the lock.
        push: A repo to publish the soup to once it is whole.
        mapping: See ``resolve``; a lock has decided this, the two that follow and ``extrapolate``.
        units: See ``resolve``.
        scores: See ``resolve``.
        policy: See ``resolve``; a lock has to obey it too.
        extrapolate: See ``resolve``.
        lock: Where else to write the soup's lock.
        dry_run: Say what would be done, from headers and configs, and write nothing.
        progress: Called with bytes done and bytes in all.
        endpoint: The hub's address.
        token: Who is asking.

    Raises:
        InvalidInput: A malformed preference, lock or option.
        Incompatible: The experts cannot be mixed on this base, or not in this way.
        IntegrityError: Something is damaged, holds NaN, or is not what the lock pinned.
        NotFound: Something is not there, or the token gives no access to it.
        HubError: The hub or the network failed.
        OutputError: The folder cannot be written.

    Source: equation 1 of Ramé et al., Rewarded soups, NeurIPS 2023.
    """
    is_lock = preference_or_lock.endswith(".json")
    if is_lock == (base is not None):
        raise InvalidInput(
            "a lock names its own base" if is_lock else "a preference needs a base",
            where="--base",
            remedy="leave --base out" if is_lock else "say which model the experts were trained on: --base OWNER/NAME",
        )
    target = Path(out)
    hub = Hub(endpoint, token)
    _check_targets(target, Path(lock) if lock is not None else None, push, hub)
    with ExitStack() as stack:
        staging = None if dry_run else stack.enter_context(fresh_folder(target))
        resolution = None
        if base is None:
            pinned = SoupLock.load(Path(preference_or_lock))
            _refuse_second_thoughts(pinned, mapping=mapping, units=units, scores=scores, extrapolate=extrapolate)
            obey(pinned, Policy.load(policy) if policy else None)
        else:
            resolution = resolve(
                preference_or_lock,
                base=base,
                mapping=mapping,
                units=units,
                scores=scores,
                policy=policy,
                extrapolate=extrapolate,
                endpoint=endpoint,
                token=token,
            )
            pinned = resolution.lock
        form = _form(
            pinned.form,
            format=format,
            method=method,
            dtype=dtype,
            rank=rank,
            pad_rank=pad_rank,
            density=density,
            seed=seed,
            layout=layout,
        )
        earlier = EarlierSoup.open(Path(reuse), pinned.base, form, afresh=hash) if reuse is not None else None
        plan = _plan(pinned, form, stack, hub, afresh=hash, headers_only=dry_run)
        if staging is None:
            nothing = SoupReport(files={}, figures={})
            return Soup(out=target, lock=pinned, report=nothing, resolution=resolution, plan=plan.describe())
        report = write_soup(
            plan,
            staging,
            base_model=pinned.base.repo_id or pinned.base.path or "",
            base_revision=pinned.base.revision,
            earlier=earlier,
            digests=digests,
            progress=progress,
        )
        if pinned.init is not None and pinned.init_kind == "adapter" and plan.anchor is None:
            report.figures["remark"] = SHARED_START
        outputs = {name: claim["sha256"] for name, claim in report.files.items()} if digests else None
        if outputs is not None and pinned.outputs is not None and form == pinned.form:
            _same_bytes(pinned.outputs, outputs)
        done = pinned.composed(form, outputs)
        (staging / FILE_NAME).write_bytes(done.to_bytes())
        (staging / CARD).write_text(render_soup_card(done, report, name=push), encoding="utf-8")
    if outputs is not None:
        remember_digests({target / name: digest for name, digest in outputs.items()})
    try:
        if lock is not None:
            write_whole(Path(lock), done.to_bytes())
        pushed = push_soup(target, push, done, hub) if push else None
    except RshubError as fault:
        fault.remedy = f"the soup itself is whole, in {target}; {fault.remedy}"
        raise
    return Soup(out=target, lock=done, report=report, resolution=resolution, pushed=pushed)


def _check_targets(out: Path, lock: Path | None, push: str | None, hub: Hub) -> None:
    """Refuse places that cannot take the result before any work is done."""
    for path, option in ((out, "--out"), (lock, "--lock")):
        if path is not None and any("\ud800" <= letter <= "\udfff" for letter in str(path)):
            raise InvalidInput(f"{str(path)!a} is no UTF-8 text", where=option, remedy="choose another name")
    if lock is not None and (lock.is_dir() or not lock.absolute().parent.is_dir()):
        what = "a folder" if lock.is_dir() else "in a folder that is not there"
        raise OutputError(f"{lock} is {what}", where="--lock", remedy="name a file in a folder that is there")
    if push is not None:
        check_target(push, hub)


def _form(pinned: OutputForm, **said: Any) -> OutputForm:
    """Lay what was asked for over what the lock says.

    Ranks, dtype and layout belong to a format, density and seed to a method, and go with it. Defaults of the method are
    written down, so that a lock says all that the bytes depend on.
    """
    kept = dict(vars(pinned))
    if said["format"] not in {None, pinned.format}:
        kept |= {"dtype": "auto", "rank": None, "pad_rank": None, "layout": "base"}
    if said["method"] not in {None, pinned.method}:
        kept |= vars(Options())
    form = OutputForm(**{**kept, **{key: value for key, value in said.items() if value is not None}})
    check_options(form.format, form.rank, form.pad_rank, form.dtype, form.layout)
    options = settle_options(find_method(form.method), Options(density=form.density, seed=form.seed))
    return replace(form, density=options.density, seed=options.seed)


def _plan(
    lock: SoupLock, form: OutputForm, stack: ExitStack, hub: Hub, *, afresh: bool, headers_only: bool
) -> ComposePlan:
    """Fetch what the lock pins, of the base only what is needed, and plan what the form asks for."""
    if lock.init is not None:
        refuse_start(find_method(form.method))
    terms = fetch_terms(lock, hub, afresh=afresh)

    def whole() -> Checkpoint:
        return Checkpoint.open(stack.enter_context(fetch_base(lock.base, hub, afresh=afresh)))

    def planned(base: Checkpoint) -> ComposePlan:
        return plan_soup(base=base, terms=terms, **vars(form))

    if lock.base.path is not None or (form.format == "checkpoint" and not headers_only):
        return planned(whole())
    plan = planned(read_layout(identity_of(lock.base), hub))
    return planned(whole()) if plan.needs_weights and not headers_only else plan


def _refuse_second_thoughts(
    lock: SoupLock, *, mapping: str, units: str, scores: Path | None, extrapolate: bool
) -> None:
    """Refuse options that would change what a lock has decided."""
    if (mapping, units) != ("identity", "normalised") and (mapping, units) != (lock.mapping, lock.units):
        decided = "--mapping and --units"
    elif scores is not None:
        decided = "--scores"
    elif extrapolate:
        decided = "--extrapolate"
    else:
        return
    raise InvalidInput(
        f"the lock has decided {decided} already",
        where=decided,
        remedy="leave it away, or resolve the preference again",
    )


def _same_bytes(expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if differing:
        raise IntegrityError(
            f"the lock promises other bytes for {', '.join(differing)}; nothing was written",
            where=differing[0],
            remedy="another version or kind of machine may round differently: --no-digest composes without comparing",
        )
