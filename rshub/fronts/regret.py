"""What choosing among soups costs a person with linear preferences, compared with training a model for each of them.

If soups cover the front (Hypothesis 2), then whatever a person wants of the rewards, some soup is as good as the best
trained model (Lemma 1). Here that is measured: over the best of the other points the regret is max(0, their best sum -
the soups' best sum), for preferences spread evenly over all there are. Sums of rewards need common units, those of the
box: 0 is its nadir and 1 its ideal.

Source: Rame et al., 2023, Lemma 1.
"""

from __future__ import annotations

import itertools

import numpy as np

from rshub.fronts.pareto import Array
from rshub.preferences.simplex import lattice

_STEPS = {1: 1, 2: 100, 3: 20, 4: 10, 5: 8, 6: 6}
"""Into how many parts preferences are divided, by the number of rewards: some hundred preferences each."""


def even_preferences(rewards: int) -> Array:
    """Spread preferences evenly over the simplex, its corners included; shape (preferences, rewards).

    For more than six rewards these are the corners, their pairs and the middle.
    """
    steps = _STEPS.get(rewards)
    if steps is None:
        corners = np.eye(rewards)
        pairs = [(corners[i] + corners[j]) / 2.0 for i, j in itertools.combinations(range(rewards), 2)]
        return np.vstack([corners, *pairs, np.full(rewards, 1.0 / rewards)])
    return np.asarray(lattice(rewards, steps) / steps)


def regrets(points: Array, others: Array, preferences: Array) -> Array:
    """Give the regret of each preference; all three are of shape (..., rewards), larger is better."""
    ours = (points @ preferences.T).max(axis=0)
    theirs = (others @ preferences.T).max(axis=0)
    return np.asarray(np.maximum(theirs - ours, 0.0))
