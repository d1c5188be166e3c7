"""What a base is, whatever it is called: the digest of the files that decide what it writes.

They are its weights and what lies beside them: config, tokenizer, chat template, generation config. A repo and a folder
that hold the same files are the same base.
"""

from __future__ import annotations

from functools import partial

from rshub.formats.canonical import digest, sha256
from rshub.hub.client import Hub
from rshub.soups.lock import Pin
from rshub.tensors.companions import is_side_file
from rshub.tensors.weight_files import MAX_INDEX_BYTES, weight_files
from rshub.types import CommitSha, Digest, RepoId

_SMALL = 64 * 1024 * 1024


def base_content(base: Pin, hub: Hub) -> Digest:
    """Give the identity of a base; of one on a hub, its small files may be read.

    Raises:
        NotFound: It is not there.
        HubError: The hub or the network failed.
    """
    files = dict(base.files)
    if base.path is None:
        assert base.repo_id is not None
        repo_id, commit = RepoId(base.repo_id), CommitSha(base.revision or "")
        info = hub.info(repo_id, commit)
        read = partial(hub.read, repo_id, commit=commit)
        found = weight_files(info.files, lambda name: read(name, max_bytes=MAX_INDEX_BYTES), source=base.place)
        for name in info.files:
            if is_side_file(name, found):
                files[name] = info.files[name].sha256 or sha256(read(name, max_bytes=_SMALL))
    return digest(files)
