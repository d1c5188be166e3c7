"""``rshub env``: all that a bug report needs, and no secret."""

import platform

from rshub import __version__


def test_it_names_versions_and_endpoint(process):
    done = process("env", "--endpoint", "http://127.0.0.1:9", "--json")
    assert (done.code, done.err) == (0, "")
    shown = str(done.json)
    for fact in (__version__, platform.python_version(), "http://127.0.0.1:9"):
        assert fact in shown


def test_people_read_a_sheet(process):
    done = process("env", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert done.code == 0
    assert "http://127.0.0.1:9" in done.out
    assert len(done.out.splitlines()) > 3


def test_a_token_is_never_shown(process):
    secret = "hf_verysecretverysecret"
    for more in ((), ("--json",), ("-q",)):
        done = process("env", "--token", secret, *more, env={"HF_TOKEN": secret, "HUGGING_FACE_HUB_TOKEN": secret})
        assert done.code == 0
        assert secret not in done.out + done.err
