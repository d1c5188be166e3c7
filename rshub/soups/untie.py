"""A head that is the embedding: kept one tensor where a soup changes both alike, taken apart in the open where not.

Whether a model ties them is told by ``deltas.tying``. Taken apart means: the head becomes a tensor of its own in the
shard of the embedding, with the embedding's stored bytes as theta_0, and the config says that nothing is tied. A base
without a config, which could not say so, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from rshub.deltas.same import same_change
from rshub.deltas.tying import TiedHead
from rshub.errors import Incompatible
from rshub.soups.ingredients import Touched
from rshub.tensors.checkpoint import Checkpoint
from rshub.tensors.model_config import CONFIG


def settle_head(
    touched: Sequence[Touched], base: Checkpoint, tied: TiedHead | None
) -> tuple[tuple[Touched, ...], TiedHead | None]:
    """Decide whether head and embedding stay one tensor.

    Returns:
        The tensors to change, without a head that stays the embedding; and what is to be taken apart, if it is.

    Raises:
        Incompatible: When they must be taken apart and the base has no config that could say so.
    """
    found = {one.tensor: one for one in touched}
    if tied is None or not {tied.head, tied.embedding} & set(found):
        return tuple(touched), None
    head, words = found.get(tied.head), found.get(tied.embedding)
    if not tied.stored and head is not None and words is not None and _alike(head, words):
        return tuple(one for one in touched if one is not head), None
    if not base.config:
        raise Incompatible(
            f"{base.source}: {tied.head} is {tied.embedding}, the experts change them differently, and there is no "
            f"{CONFIG} that could say that they are two",
            where=tied.head,
            remedy=f"add the model's {CONFIG} to the base",
        )
    return tuple(touched), tied


def untied_warning(tied: TiedHead) -> str:
    """Say in the report what was taken apart."""
    return (
        f"the head was untied: {tied.head} is a tensor of its own beside {tied.embedding} now, because the experts do "
        "not change both alike; the config says tie_word_embeddings false"
    )


def _alike(head: Touched, words: Touched) -> bool:
    """Say whether every ingredient changes both alike."""
    if [part.ingredient for part in head.contributions] != [part.ingredient for part in words.contributions]:
        return False
    pairs = zip(head.contributions, words.contributions, strict=True)
    return all(same_change(one.placement, other.placement) for one, other in pairs)
