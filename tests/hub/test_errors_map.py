"""Foreign errors come out as ours."""

import inspect

import httpx2
import huggingface_hub.errors as foreign
import pytest

from rshub.errors import HubError, InvalidInput, NotFound, OutputError
from rshub.hub.errors_map import FAMILY
from rshub.hub.seam import mapped


def test_every_error_of_the_client_library_is_named():
    theirs = {
        kind
        for _, kind in inspect.getmembers(foreign, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == foreign.__name__
    }
    assert theirs - set(FAMILY) == set()


def response(status, **headers):
    return httpx2.Response(status, headers=headers, request=httpx2.Request("GET", "http://127.0.0.1/x"))


@pytest.mark.parametrize(
    ("fault", "ours", "can_retry"),
    [
        (foreign.RepositoryNotFoundError("x", response=response(404)), NotFound, None),
        (foreign.GatedRepoError("x", response=response(403)), NotFound, None),
        (foreign.RevisionNotFoundError("x", response=response(404)), NotFound, None),
        (foreign.RemoteEntryNotFoundError("x", response=response(404)), NotFound, None),
        (foreign.HfHubHTTPError("x", response=response(401)), NotFound, None),
        (foreign.HfHubHTTPError("x", response=response(403)), NotFound, None),
        (foreign.HfHubHTTPError("x", response=response(500)), HubError, True),
        (foreign.HfHubHTTPError("x", response=response(429)), HubError, True),
        (foreign.HfHubHTTPError("x", response=response(412)), HubError, True),
        (foreign.HfHubHTTPError("x", response=response(409)), HubError, False),
        (foreign.BadRequestError("x", response=response(400)), InvalidInput, None),
        (foreign.HFValidationError("x"), InvalidInput, None),
        (foreign.LocalEntryNotFoundError("x"), HubError, True),
        (foreign.OfflineModeIsEnabled("x"), HubError, True),
        (httpx2.ConnectError("x"), HubError, True),
        (httpx2.ReadTimeout("x"), HubError, True),
        (ConnectionError("x"), HubError, True),
        (OSError(28, "No space left on device"), OutputError, None),
    ],
)
def test_each_becomes_what_the_caller_can_act_on(fault, ours, can_retry):
    with pytest.raises(ours) as caught, mapped("org/repo", "v1"):
        raise fault
    assert caught.value.__cause__ is fault
    assert "org/repo@v1" in str(caught.value)
    assert caught.value.remedy
    if can_retry is not None:
        assert caught.value.can_retry is can_retry


def test_a_bug_of_ours_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), mapped("org/repo"):
        _ = 1 / 0
