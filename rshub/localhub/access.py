"""Who may do what: pure decisions on an Identity and a HubRepo.

What may not be known looks exactly like what does not exist. A gated repository shows its page to everyone and its
files to those who can write to it, until somebody can be granted access.
"""

from __future__ import annotations

from rshub.localhub.accounts import Identity
from rshub.localhub.errors import Refusal, repo_not_found
from rshub.localhub.repos import HubRepo

_WRITING_ROLES = frozenset({"write", "admin"})


def can_write_namespace(identity: Identity, namespace: str) -> bool:
    """Whether the caller may create and change repositories there."""
    if not identity.may_write_somewhere:
        return False
    return identity.owns(namespace) or identity.orgs.get(namespace.lower()) in _WRITING_ROLES


def can_read(identity: Identity, repo: HubRepo) -> bool:
    """Whether the caller may know of the repository."""
    return not repo.private or identity.owns(repo.namespace) or repo.namespace.lower() in identity.orgs


def can_read_files(identity: Identity, repo: HubRepo) -> bool:
    """Whether the caller may have the content of its files."""
    if not can_read(identity, repo):
        return False
    if repo.gated is None or identity.owns(repo.namespace):
        return True
    return identity.orgs.get(repo.namespace.lower()) in _WRITING_ROLES


def require_read(identity: Identity, repo: HubRepo | None) -> HubRepo:
    """Return the repository if the caller may know of it.

    Raises:
        Refusal: 401 or 404.
    """
    if repo is None or not can_read(identity, repo):
        raise repo_not_found(anonymous=identity.anonymous)
    return repo


def require_files(identity: Identity, repo: HubRepo) -> None:
    """Let pass who may have the files.

    Raises:
        Refusal: 401 or 403, the repository is gated.
    """
    if not can_read_files(identity, repo):
        raise Refusal(
            401 if identity.anonymous else 403,
            f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list.",
            code="GatedRepo",
        )


def require_token(identity: Identity) -> str:
    """Return the user's name if the caller may make changes somewhere.

    Raises:
        Refusal: 401 without a token, 403 with one that only reads.
    """
    if identity.user is None:
        raise Refusal(401, "Invalid username or password: this needs a token.")
    if not identity.may_write_somewhere:
        raise Refusal(403, "This token can only read: use one with the write role.")
    return identity.user


def require_write(identity: Identity, repo: HubRepo) -> str:
    """Return the user's name if the caller may change the repository.

    Raises:
        Refusal: 401 or 403.
    """
    user = require_token(identity)
    if not can_write_namespace(identity, repo.namespace):
        raise Refusal(
            403, f"Forbidden: you need write access to {repo.id}. Pass create_pr=1 to open a pull request instead."
        )
    return user


def require_namespace(identity: Identity, namespace: str) -> str:
    """Return the user's name if the caller may create repositories there.

    Raises:
        Refusal: 401 or 403.
    """
    user = require_token(identity)
    if not can_write_namespace(identity, namespace):
        raise Refusal(403, f'You don\'t have the rights to create a repository under the namespace "{namespace}".')
    return user
