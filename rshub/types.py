"""Names for strings that were checked, so that one kind is never passed for another. No behaviour."""

from __future__ import annotations

from typing import NewType

RepoId = NewType("RepoId", str)
"""A repository on a hub, ``owner/name``."""

CommitSha = NewType("CommitSha", str)
"""A full git commit: 40 lower-case hexadecimal digits."""

Digest = NewType("Digest", str)
"""A sha256 as 64 lower-case hexadecimal digits."""

RewardName = NewType("RewardName", str)
"""The label of a reward, ``[a-z0-9][a-z0-9._-]*``."""

TensorName = NewType("TensorName", str)
"""The name of a tensor as it stands in a safetensors file."""
