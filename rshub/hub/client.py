"""Talking to a hub: list, look, fetch named files at a commit, commit files in one piece, tag.

Whole-repo downloads, pickles and remote code have no place here: a caller names the files it wants, at a full commit.
The endpoint and the token are arguments; without them huggingface_hub's own defaults hold (HF_ENDPOINT, HF_TOKEN).
That library takes longer to import than an adapter to compose, so it is imported by the first question to a hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rshub.errors import IntegrityError, InvalidInput, NotFound
from rshub.hub.seam import mapped
from rshub.types import CommitSha, Digest, RepoId

if TYPE_CHECKING:
    from huggingface_hub import HfApi

RepoType = Literal["model", "dataset"]


@dataclass(frozen=True, kw_only=True)
class RepoSummary:
    """One repo of a listing."""

    repo_id: RepoId
    commit: CommitSha
    tags: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, kw_only=True)
class RepoFile:
    """One file of a repo: its size in bytes, and its sha256 where the hub knows it."""

    size: int
    sha256: Digest | None = None


@dataclass(frozen=True, kw_only=True)
class RepoInfo(RepoSummary):
    """A repo at one commit, with its files."""

    files: Mapping[str, RepoFile] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RepoRefs:
    """The branches and git tags of a repo, each with the commit it points at."""

    branches: Mapping[str, CommitSha]
    tags: Mapping[str, CommitSha]


@dataclass(frozen=True, kw_only=True)
class Committed:
    """A commit that was made; the last two are set when it opened a pull request."""

    commit: CommitSha
    url: str
    pr_url: str | None = None
    pr_revision: str | None = None


class Hub:
    """One hub, seen with one token.

    Args:
        endpoint: The hub's address; None takes huggingface_hub's default.
        token: Who is asking; None takes the stored one, if any.
    """

    def __init__(self, endpoint: str | None = None, token: str | None = None) -> None:
        self._endpoint = endpoint
        self._token = _sound(token)

    @cached_property
    def endpoint(self) -> str:
        """The hub's address."""
        from huggingface_hub import constants

        return (self._endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def shown(self) -> str:
        """The hub's address as it may be shown."""
        return without_login(self.endpoint)

    @cached_property
    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        with mapped(self.shown):
            return HfApi(endpoint=self.endpoint, token=self._token, library_name="rshub")

    def whoami(self) -> str:
        """Name the account that the token belongs to."""
        with mapped(self.shown):
            return str(self._api.whoami()["name"])

    def list_models(self, *, tags: Sequence[str] = (), author: str | None = None) -> list[RepoSummary]:
        """List the models that carry every one of these tags, sorted by name."""
        return self._list(self._api.list_models, tags, author)

    def list_datasets(self, *, tags: Sequence[str] = (), author: str | None = None) -> list[RepoSummary]:
        """List the datasets that carry every one of these tags, sorted by name."""
        return self._list(self._api.list_datasets, tags, author)

    def _list(self, look: Callable[..., Iterable[Any]], tags: Sequence[str], author: str | None) -> list[RepoSummary]:
        self._knock()
        with mapped(self.shown):
            found = look(filter=list(tags) or None, author=author, expand=["sha", "tags", "private"])
            return sorted(
                (
                    RepoSummary(
                        repo_id=RepoId(repo.id),
                        commit=CommitSha(repo.sha or ""),
                        tags=tuple(repo.tags or ()),
                        private=bool(repo.private),
                    )
                    for repo in found
                ),
                key=lambda summary: summary.repo_id,
            )

    def _knock(self) -> None:
        """Fail at once when nobody answers: the client's own listing keeps trying for half a minute."""
        from huggingface_hub import get_session

        with mapped(self.shown):
            get_session().get(f"{self.endpoint}/api/models", params={"limit": 1}, timeout=10)

    def info(self, repo_id: str, revision: str | None = None, *, repo_type: RepoType = "model") -> RepoInfo:
        """Look at a repo at a revision: its full commit, its tags, its files with sizes and digests."""
        look = self._api.model_info if repo_type == "model" else self._api.dataset_info
        with mapped(repo_id, revision):
            info = look(repo_id, revision=revision, files_metadata=True)
        files = {
            sibling.rfilename: RepoFile(
                size=sibling.size or 0, sha256=Digest(sibling.lfs.sha256) if sibling.lfs is not None else None
            )
            for sibling in info.siblings or ()
        }
        return RepoInfo(
            repo_id=RepoId(info.id),
            commit=CommitSha(info.sha or ""),
            tags=tuple(info.tags or ()),
            private=bool(info.private),
            files=files,
        )

    def exists(self, repo_id: str, *, repo_type: RepoType = "model") -> bool:
        """Say whether the repo is there and visible."""
        with mapped(repo_id):
            return self._api.repo_exists(repo_id, repo_type=repo_type)

    def check_write(self, repo_id: str, *, repo_type: RepoType = "model") -> None:
        """See that a repo can be written to, or created where it is not there; nothing is changed.

        Raises:
            NotFound: The token may not do that, or there is none.
            HubError: The hub or the network failed.
        """
        if self.exists(repo_id, repo_type=repo_type):
            with mapped(repo_id):
                self._api.auth_check(repo_id, repo_type=repo_type, write=True)
            return
        with mapped(self.shown):
            account: dict[str, Any] = self._api.whoami()
        namespace = repo_id.partition("/")[0]
        roles = {str(org["name"]).lower(): org.get("roleInOrg") for org in account.get("orgs", ())}
        roles[str(account["name"]).lower()] = ((account.get("auth") or {}).get("accessToken") or {}).get("role")
        if roles.get(namespace.lower(), "read") == "read" or roles[str(account["name"]).lower()] == "read":
            raise NotFound(
                f"{repo_id}: it is not there, and the token of {account['name']} may not create it",
                where=repo_id,
                remedy=f"use a token that may write to {namespace}, or name a repo under {account['name']}/",
            )

    def refs(self, repo_id: str, *, repo_type: RepoType = "model") -> RepoRefs:
        """List branches and git tags."""
        with mapped(repo_id):
            refs = self._api.list_repo_refs(repo_id, repo_type=repo_type)
        return RepoRefs(
            branches={ref.name: CommitSha(ref.target_commit) for ref in refs.branches},
            tags={ref.name: CommitSha(ref.target_commit) for ref in refs.tags},
        )

    def download(self, repo_id: str, names: Iterable[str], *, commit: str, repo_type: RepoType = "model") -> Path:
        """Fetch the named files at a commit into the client's cache.

        Returns:
            The folder that holds them under their names; other files may lie beside them.

        Raises:
            NotFound: No names were given, or one of them is not in the repo.
            HubError: The hub or the network failed.
        """
        from huggingface_hub import hf_hub_download

        from rshub.hub.bars import LargeOnly

        folder: Path | None = None
        for name in names:
            with mapped(f"{repo_id}/{name}", commit):
                path = hf_hub_download(
                    repo_id,
                    name,
                    revision=commit,
                    repo_type=repo_type,
                    endpoint=self.endpoint,
                    token=self._token,
                    library_name="rshub",
                    tqdm_class=LargeOnly,
                )
            folder = Path(path).parents[name.count("/")]
        if folder is None:
            raise NotFound(f"{repo_id}@{commit}: no file to fetch", where=repo_id)
        return folder

    def read(self, repo_id: str, name: str, *, commit: str, max_bytes: int, repo_type: RepoType = "model") -> bytes:
        """Read one small file at a commit.

        Raises:
            IntegrityError: It is larger than ``max_bytes``; nothing was fetched.
        """
        with mapped(f"{repo_id}/{name}", commit):
            found = self._api.get_paths_info(repo_id, [name], revision=commit, repo_type=repo_type)
        if not found:
            raise NotFound(
                f"{repo_id}@{commit}: no file {name}",
                where=f"{repo_id}/{name}",
                remedy="check the name and the revision",
            )
        size = getattr(found[0], "size", 0)
        if size > max_bytes:
            raise IntegrityError(
                f"{repo_id}/{name}: {size} bytes are more than the {max_bytes} that are read",
                where=f"{repo_id}/{name}",
                remedy="ask the publisher for a smaller file, or use another revision",
            )
        return (self.download(repo_id, [name], commit=commit, repo_type=repo_type) / name).read_bytes()

    def read_range(self, repo_id: str, name: str, *, commit: str, start: int, length: int) -> bytes:
        """Read ``length`` bytes of a model file from ``start`` on, without fetching the rest."""
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._http import hf_raise_for_status

        url = hf_hub_url(repo_id, name, revision=commit, endpoint=self.endpoint)
        headers = build_hf_headers(token=self._token, library_name="rshub")
        headers["Range"] = f"bytes={start}-{start + length - 1}"
        data = bytearray()
        with (
            mapped(f"{repo_id}/{name}", commit),
            get_session().stream("GET", url, headers=headers, follow_redirects=True) as response,
        ):
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            skipped = start if response.status_code == 200 else 0  # a server that does not know ranges sends it all
            for block in response.iter_bytes():
                data += block[skipped:] if skipped < len(block) else b""
                skipped = max(0, skipped - len(block))
                if len(data) >= length:
                    break
        return bytes(data[:length])

    def create_repo(
        self, repo_id: str, *, private: bool = False, exist_ok: bool = True, repo_type: RepoType = "model"
    ) -> None:
        """Create a repo; one that exists is left as it is, and need not be one that this token could create."""
        if exist_ok and self.exists(repo_id, repo_type=repo_type):
            return
        with mapped(repo_id):
            self._api.create_repo(repo_id, private=private, exist_ok=exist_ok, repo_type=repo_type)

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes | Path],
        *,
        message: str,
        parent_commit: str | None = None,
        create_pr: bool = False,
        delete: Sequence[str] = (),
        repo_type: RepoType = "model",
    ) -> Committed:
        """Commit files in one piece: either all of them land, or none.

        Args:
            repo_id: Where to.
            files: Name in the repo -> its bytes, or the local file that holds them.
            message: The commit's first line.
            parent_commit: Refuse when the branch has moved on from here.
            create_pr: Open a pull request instead of writing to the main branch.
            delete: Names to remove in the same commit.
            repo_type: ``model`` or ``dataset``.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        from rshub.hub.bars import bars_for

        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(
                path_in_repo=name, path_or_fileobj=content if isinstance(content, bytes) else str(content)
            )
            for name, content in files.items()
        ]
        operations += [CommitOperationDelete(path_in_repo=name) for name in delete]
        size = sum(len(data) if isinstance(data, bytes) else data.stat().st_size for data in files.values())
        with mapped(repo_id), bars_for(size):
            done = self._api.create_commit(
                repo_id,
                operations,
                commit_message=message,
                parent_commit=parent_commit,
                create_pr=create_pr,
                repo_type=repo_type,
            )
        return Committed(
            commit=CommitSha(done.oid), url=done.commit_url, pr_url=done.pr_url, pr_revision=done.pr_revision
        )

    def tag(self, repo_id: str, tag: str, *, revision: str, message: str = "", repo_type: RepoType = "model") -> None:
        """Put a git tag on a revision; a tag that exists is an error."""
        with mapped(repo_id, tag):
            self._api.create_tag(repo_id, tag=tag, revision=revision, tag_message=message or None, repo_type=repo_type)


def without_login(endpoint: str) -> str:
    """Give an address as it may be shown: without a name and password in it."""
    scheme, separator, rest = endpoint.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _sound(token: str | None) -> str | None:
    """Strip a token, and refuse what cannot be one; it is never repeated in a message."""
    if token is None:
        return None
    bare = token.strip()
    if not bare or not bare.isascii() or not bare.isprintable() or " " in bare:
        raise InvalidInput(
            "the token is empty or has characters that no token has",
            where="--token",
            remedy="give it as the hub printed it, or leave it away to use the stored login",
        )
    return bare
