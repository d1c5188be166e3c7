"""Foreign errors into ours: what huggingface_hub and its HTTP library raise becomes an ``RshubError``.

The table names every error class of huggingface_hub. Nothing is retried here and nothing is swallowed.
"""

from __future__ import annotations

import re

import httpx2
from huggingface_hub import errors as foreign

from rshub.errors import HubError, IntegrityError, InvalidInput, NotFound, OutputError, RshubError

_TOKEN = "check the name, and the token: hf auth whoami, HF_TOKEN or --token"  # noqa: S105 - words, not a secret
_SECRET = re.compile(r"Bearer\s*[^'\"\s]*|hf_[A-Za-z0-9]+")
_LATER = "check the endpoint and the network (rshub env), then try again"

FAMILY: dict[type[BaseException], type[RshubError]] = {
    foreign.CacheNotFound: NotFound,
    foreign.CorruptedCacheException: IntegrityError,
    foreign.CachedRepoTreeNotFoundError: NotFound,
    foreign.LocalTokenNotFoundError: NotFound,
    foreign.OIDCError: NotFound,
    foreign.DeviceCodeError: NotFound,
    foreign.OfflineModeIsEnabled: HubError,
    foreign.HfHubHTTPError: HubError,
    foreign.InferenceTimeoutError: HubError,
    foreign.InferenceEndpointError: HubError,
    foreign.InferenceEndpointTimeoutError: HubError,
    foreign.SafetensorsParsingError: IntegrityError,
    foreign.NotASafetensorsRepoError: IntegrityError,
    foreign.TextGenerationError: HubError,
    foreign.ValidationError: InvalidInput,
    foreign.GenerationError: HubError,
    foreign.OverloadedError: HubError,
    foreign.IncompleteGenerationError: HubError,
    foreign.UnknownError: HubError,
    foreign.HFValidationError: InvalidInput,
    foreign.HfUriError: InvalidInput,
    foreign.DryRunError: HubError,
    foreign.FileMetadataError: HubError,
    foreign.BucketNotFoundError: NotFound,
    foreign.BucketBatchError: HubError,
    foreign.JobNotFoundError: NotFound,
    foreign.RepositoryNotFoundError: NotFound,
    foreign.GatedRepoError: NotFound,
    foreign.DisabledRepoError: NotFound,
    foreign.RevisionNotFoundError: NotFound,
    foreign.RevisionResolutionError: NotFound,
    foreign.EntryNotFoundError: NotFound,
    foreign.RemoteEntryNotFoundError: NotFound,
    foreign.LocalEntryNotFoundError: HubError,
    foreign.IncompleteSnapshotError: HubError,
    foreign.BadRequestError: InvalidInput,
    foreign.DDUFError: IntegrityError,
    foreign.DDUFCorruptedFileError: IntegrityError,
    foreign.DDUFExportError: OutputError,
    foreign.DDUFInvalidEntryNameError: InvalidInput,
    foreign.StrictDataclassError: IntegrityError,
    foreign.StrictDataclassDefinitionError: IntegrityError,
    foreign.StrictDataclassFieldValidationError: IntegrityError,
    foreign.StrictDataclassClassValidationError: IntegrityError,
    foreign.XetDownloadError: HubError,
    foreign.FileDuplicationError: InvalidInput,
    foreign.CLIError: HubError,
    foreign.ConfirmationError: InvalidInput,
    foreign.CLIExtensionInstallError: HubError,
    foreign.SandboxError: HubError,
    foreign.SandboxCommandError: HubError,
    httpx2.HTTPError: HubError,
    httpx2.InvalidURL: InvalidInput,
    httpx2.UnsupportedProtocol: InvalidInput,
    ConnectionError: HubError,
    TimeoutError: HubError,
    OSError: OutputError,
    ValueError: HubError,
    KeyError: HubError,
    TypeError: HubError,
    AttributeError: HubError,
}
"""Which of our errors a foreign class becomes; a class stands for its subclasses that are not named themselves.

The last four are what the client library raises when an answer is none of a hub's: a login page, another service.
"""


def translate(fault: BaseException, *, place: str, revision: str | None = None) -> RshubError | None:
    """Give our error for a foreign one, or None when it is none of the Hub's.

    Args:
        fault: What was raised.
        place: The repo, or what else was asked of which endpoint.
        revision: The revision that was asked for, if any.
    """
    family = _family(fault)
    if family is None:
        return None
    status = _status(fault)
    if status in {401, 403, 404} and issubclass(family, HubError):
        family = NotFound
    at = f"{place}@{revision}" if revision else place
    reason = _reason(fault)
    if issubclass(family, HubError):
        can_retry = status is None or status in {408, 412, 429} or status >= 500
        return family(
            f"{at}: {reason}",
            remedy=_moved(status) if status in {409, 412} else _LATER,
            where=at,
            repo_id=place,
            revision=revision,
            can_retry=can_retry,
        )
    if issubclass(family, NotFound):
        return family(f"{at}: {reason}", remedy=_TOKEN, where=at)
    if issubclass(family, OutputError):
        return family(f"{at}: {reason}", remedy="check the free space and the rights of the cache folder", where=at)
    return family(f"{at}: {reason}", remedy="check the name and the options", where=at)


def _family(fault: BaseException) -> type[RshubError] | None:
    return next((FAMILY[kind] for kind in type(fault).__mro__ if kind in FAMILY), None)


def _status(fault: BaseException) -> int | None:
    response = getattr(fault, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _moved(status: int | None) -> str:
    if status == 412:
        return "somebody else committed in between: look at the repo, then try again"
    return "it exists already: choose another name or version"


def _reason(fault: BaseException) -> str:
    """Say in one line what the server or the library said."""
    server = getattr(fault, "server_message", None)
    status = _status(fault)
    names = {401: "the token is not valid", 403: "the token may not do this"}
    if status in names:
        return names[status] + (f" ({_first_line(server)})" if server else "")
    if isinstance(fault, foreign.GatedRepoError):
        return "access is restricted, and this token has none"
    if isinstance(fault, foreign.RepositoryNotFoundError):
        return "no such repo, or this token may not see it"
    if isinstance(fault, foreign.RevisionNotFoundError):
        return "no such revision"
    if isinstance(fault, foreign.RemoteEntryNotFoundError):
        return "no such file in the repo"
    if isinstance(fault, foreign.OfflineModeIsEnabled):
        return "offline mode is on (HF_HUB_OFFLINE), which blocks every hub, the embedded one too"
    if isinstance(fault, foreign.LocalEntryNotFoundError):
        return "the hub could not be reached, and the file is not in the cache"
    if isinstance(fault, httpx2.ConnectError):
        return "no connection to the hub"
    if isinstance(fault, httpx2.TimeoutException):
        return "the hub did not answer in time"
    if server:
        return _first_line(server)
    if isinstance(fault, (ValueError, KeyError, TypeError, AttributeError)) and _family(fault) is HubError:
        return "what answers there is no hub"
    return _first_line(str(fault)) or type(fault).__name__


def _first_line(text: str) -> str:
    """Give the first line that says something, without any token that a library may have put into it."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
    return _SECRET.sub("<token>", line)
