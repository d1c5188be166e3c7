"""What is known of the experts that were chosen: payoffs, stored evaluations and training mixtures, by their rewards.

Pure: manifests and scores were read by somebody else. What a manifest says in another form than it should is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rshub.preferences.mapping import Known
from rshub.preferences.payoff import Payoff
from rshub.preferences.scores import LARGEST, Scores
from rshub.soups.choose import Candidate


def what_is_known(chosen: Mapping[str, Candidate], serves: Mapping[str, str], measured: Scores | None) -> Known:
    """Gather what the mappings may stand on.

    Args:
        chosen: The experts by the labels of the preference.
        serves: The name under which each label is known, its reward where that is clear.
        measured: A scores file; it takes the place of what the experts publish of themselves.

    Raises:
        InvalidInput: Two experts in the scores serve one reward.
    """
    mixtures = {serves[label]: shares_of(c.manifest.training) for label, c in chosen.items() if c.manifest}
    experts = tuple(serves[label] for label in chosen)
    if measured is None:
        return Known(payoff=_published(chosen, serves), mixtures=mixtures, experts=experts)
    names = {candidate.place: serves[label] for label, candidate in chosen.items()} | dict(serves)
    payoff = Payoff.from_scores(measured, serves=names)
    evaluations = measured.renamed(names)
    mixtures |= {point.vertex: point.mixture for point in evaluations.points if point.vertex and point.mixture}
    return Known(payoff=payoff, evaluations=evaluations, mixtures=mixtures, experts=experts)


def _published(chosen: Mapping[str, Candidate], serves: Mapping[str, str]) -> Payoff | None:
    """Take the payoff matrix from what the experts publish of themselves."""
    manifests = {serves[label]: c.manifest for label, c in chosen.items() if c.manifest and c.manifest.scores}
    if not manifests:
        return None
    return Payoff.from_published(
        {name: [vars(score) for score in manifest.scores] for name, manifest in manifests.items()},
        directions={manifest.reward.name: manifest.reward.direction for manifest in manifests.values()},
    )


def shares_of(training: Mapping[str, Any]) -> Mapping[str, float]:
    """Read the shares of the rewards; a number that no float can hold, or that is none, makes them unknown."""
    said = training.get("mixture")
    if not isinstance(said, Mapping) or not all(
        isinstance(share, (int, float)) and not isinstance(share, bool) and abs(share) <= LARGEST
        for share in said.values()
    ):
        return {}
    return {str(name): float(share) for name, share in said.items()}
