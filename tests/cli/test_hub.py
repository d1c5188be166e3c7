"""``rshub hub serve`` and ``hub user add``, as processes."""

import json
import os
import signal
import socket

import pytest


def test_json_is_one_line_when_it_is_ready(serve, process, tmp_path):
    root = tmp_path / "hub"
    with serve(root, "--json") as served:
        ready = json.loads(served.stdout.readline())
        assert ready == {"endpoint": ready["endpoint"], "root": str(root), "pid": served.pid}
        added = process("hub", "user", "add", "ada", "--root", root, "--org", "lab:admin", "--json")
        assert added.json["name"] == "ada"
        listed = process("ls", "--json", env={"HF_ENDPOINT": ready["endpoint"], "HF_TOKEN": added.json["token"]})
        assert (listed.code, listed.json) == (0, [])
        os.kill(ready["pid"], signal.SIGINT)
        out, err = served.communicate(timeout=60)
        assert (out, err, served.returncode) == ("", "", 0)


def test_people_get_the_exports_to_type(serve, tmp_path):
    with serve(tmp_path / "my hub") as served:
        exports = [served.stdout.readline() for _ in range(2)]
        assert exports[0].startswith("export HF_ENDPOINT=http://127.0.0.1:")
        assert exports[1] == f"export HF_TOKEN=$(rshub hub user add me --root '{tmp_path / 'my hub'}')\n"
        assert "Ctrl-C" in served.stderr.readline()


def test_a_port_that_is_taken_is_an_error_with_a_remedy(process, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = process("hub", "serve", "--root", tmp_path / "hub", "--port", taken.getsockname()[1], "--json")
    assert done.code == 1
    assert done.error["remedy"]
    assert done.error["exit_code"] == 1


def test_a_root_that_cannot_be_used_is_an_error_with_a_remedy(process, tmp_path):
    (tmp_path / "file").write_text("")
    done = process("hub", "serve", "--root", tmp_path / "file", "--port", "0")
    assert done.code == 1
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["Error", "Hint"]


def test_adding_a_user_prints_the_token_alone(process, tmp_path):
    done = process("hub", "user", "add", "ada", "--root", tmp_path / "hub")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("hf_")
    assert done.out.count("\n") == 1


def test_a_token_can_be_brought_along_without_showing_it_in_the_process_list(process, tmp_path):
    done = process(
        "hub", "user", "add", "ada", "--root", tmp_path / "hub", "--token-stdin", "--json", stdin="hf_chosen_by_me\n"
    )
    assert done.json == {"name": "ada", "token": "hf_chosen_by_me"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bad name!"], "'bad name!' is not a usable account name"),
        (["ada", "--org", "lab:king"], "there is no role 'king'"),
        (["ada", "--org", "lab:"], "there is no role ''"),
        (["ada", "--org", "lab:wirte"], "did you mean 'write'"),
        (["ada", "--org", "a/b"], "'a/b' is not a usable account name"),
        (["ada", "--org", ""], "not a usable account name"),
    ],
)
def test_a_name_or_role_that_cannot_be_is_refused(rshub, tmp_path, arguments, said):
    done = rshub("hub", "user", "add", *arguments, "--root", tmp_path / "hub", "--json")
    assert done.code == 2
    assert said in done.error["message"]
    assert done.error["remedy"]
    assert not (tmp_path / "hub").exists()


def test_a_reader_may_read_and_not_write(process, rshub, lab):
    added = process("hub", "user", "add", "reader", "--role", "read", "--root", lab.folder / "hub", "-q")
    token = added.out.strip()
    assert rshub("ls", "--endpoint", lab.endpoint, "--token", token, "-q", "--author", "lab").code == 0
    done = rshub(
        "publish", lab.folder / "helpful", "reader/mine", "--reward", "helpful", "--endpoint", lab.endpoint,
        "--token", token, "--json",
    )  # fmt: skip
    assert done.code == 5
    assert done.error["error"] == "NotFound"
