"""Starting and stopping, as the embedding program sees it."""

import socket
import subprocess
import sys
import threading

import httpx2
import pytest

from rshub.localhub import LocalHub, LocalHubError


def test_it_answers_on_enter_and_is_gone_on_exit(tmp_path):
    hub = LocalHub(tmp_path)
    with pytest.raises(LocalHubError, match="no endpoint"):
        _ = hub.endpoint
    with hub:
        endpoint = hub.endpoint
        assert httpx2.get(f"{endpoint}/api/models").json() == []
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{endpoint}/api/models")
    with hub:
        assert httpx2.get(f"{hub.endpoint}/api/models").json() == []


def test_it_stops_when_the_body_fails_and_leaves_no_server_thread(tmp_path):
    def servers():
        return {thread.ident for thread in threading.enumerate() if thread.name == "localhub"}

    before = servers()
    with pytest.raises(ZeroDivisionError), LocalHub(tmp_path):
        assert len(servers() - before) == 1
        _ = 1 / 0
    assert servers() - before == set()


def test_users_may_come_before_the_hub_runs(tmp_path):
    hub = LocalHub(tmp_path / "root")
    token = hub.add_user("alice")
    with hub:
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx2.get(f"{hub.endpoint}/api/whoami-v2", headers=headers).json()["name"] == "alice"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_an_address_that_others_can_reach_must_be_asked_for(tmp_path, host):
    with pytest.raises(LocalHubError, match="other machines"), LocalHub(tmp_path, host=host):
        pass


def test_it_can_be_asked_for(tmp_path):
    with LocalHub(tmp_path, host="0.0.0.0", allow_remote=True) as hub:
        port = hub.endpoint.rsplit(":", 1)[1]
        assert httpx2.get(f"http://127.0.0.1:{port}/api/models").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_loopback_by_name_and_number(tmp_path, host):
    with LocalHub(tmp_path, host=host) as hub:
        assert hub.endpoint.startswith(f"http://{host}:")
        assert httpx2.get(f"{hub.endpoint}/api/models").status_code == 200


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalHubError, match=str(port)), LocalHub(tmp_path, port=port):
            pass
    with LocalHub(tmp_path, port=port) as hub:
        assert hub.endpoint.endswith(str(port))


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LocalHubError, match="cannot be used"), LocalHub(tmp_path / "file"):
        pass


def test_the_room_knows_nothing_of_the_rest_of_the_house():
    code = (
        "import sys; from rshub.localhub import add_user, LocalHub; import rshub.localhub.app;"
        "bad = [m for m in sys.modules if m.split('.')[0] in {'huggingface_hub', 'torch', 'numpy'}"
        " or m.startswith('rshub.') and not m.startswith('rshub.localhub')];"
        "print(bad)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_adding_a_user_needs_no_web_server():
    code = "import sys, rshub.localhub; print({'starlette', 'uvicorn', 'dulwich'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
