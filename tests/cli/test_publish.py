"""``rshub publish``, ``ls`` and ``info`` against the embedded hub."""

import re

import pytest


def publish(rshub, lab, folder, repo, *more):
    return rshub("publish", folder, repo, "--reward", "helpful", *lab.as_user, *more)


def test_publishing_gives_repo_commit_tag_and_files(rshub, lab):
    done = publish(rshub, lab, lab.folder / "helpful", "ada/mine", "--version", "2.1.0", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["repo"] == "ada/mine"
    assert re.fullmatch("[0-9a-f]{40}", done.json["commit"])
    assert done.json["tag"] == "v2.1.0"
    assert set(done.json["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors", "expert.json"}


def test_people_read_where_it_went_and_what_to_type_next(rshub, lab):
    done = publish(rshub, lab, lab.folder / "helpful", "ada/read")
    assert done.code == 0
    assert re.match(r"ada/read@[0-9a-f]{40} \(v1.0.0\)\n", done.out)
    assert "adapter_model.safetensors" in done.out
    assert done.err == f"Next: rshub info ada/read@v1.0.0 --endpoint {lab.endpoint}\n"
    assert lab.token not in done.out + done.err


def test_quiet_prints_the_commit_alone(rshub, lab):
    done = publish(rshub, lab, lab.folder / "helpful", "ada/quiet", "-q")
    assert re.fullmatch(r"ada/quiet@[0-9a-f]{40}\n", done.out)
    assert done.err == ""


def test_a_dry_run_sends_nothing(rshub, lab):
    done = publish(rshub, lab, lab.folder / "helpful", "ada/never", "--dry-run", "--json")
    assert done.code == 0
    assert done.json["commit"] is None
    assert rshub("info", "ada/never", *lab.as_user).code == 5


def test_a_missing_reward_is_usage(rshub, lab):
    done = rshub("publish", lab.folder / "helpful", "ada/mine", *lab.as_user, "--json")
    assert done.code == 2
    assert done.error["where"] == "--reward"


def test_a_wrong_token_is_no_access(rshub, lab):
    done = rshub(
        "publish", lab.folder / "helpful", "ada/other", "--reward", "helpful", "--endpoint", lab.endpoint,
        "--token", "hf_wrongwrongwrong", "--json",
    )  # fmt: skip
    assert done.code == 5
    assert "hf_wrong" not in done.err


def test_a_hub_that_does_not_answer_is_a_hub_error(rshub):
    done = rshub("info", "lab/helpful", "--endpoint", "http://127.0.0.1:9", "--json")
    assert done.code == 6
    assert done.error["error"] == "HubError"
    assert done.error["can_retry"] is True


@pytest.mark.slow
def test_the_clients_retries_are_no_part_of_a_json_error(process):
    done = process("ls", "--endpoint", "http://127.0.0.1:9", "--json")
    assert done.code == 6
    assert done.err.count("\n") == 1
    assert done.error["error"] == "HubError"


def test_ls_shows_a_table(rshub, lab):
    done = rshub("ls", "--author", "lab", *lab.as_user)
    assert done.code == 0
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["REPO", "REWARD"],
        ["lab/concise", "concise"],
        ["lab/helpful", "helpful"],
    ]
    assert "v1.0.0" in done.out


def test_ls_filters_and_speaks_json(rshub, lab):
    found = rshub("ls", "--author", "lab", "--reward", "concise", "--base", "lab/base", "--json", *lab.as_user).json
    assert [(entry["repo"], entry["reward"], entry["base"], entry["tag"]) for entry in found] == [
        ("lab/concise", "concise", "lab/base", "v1.0.0")
    ]
    assert rshub("ls", "--author", "lab", "-q", *lab.as_user).out == "lab/concise\nlab/helpful\n"


def test_ls_of_nothing_is_an_empty_answer_and_no_error(rshub, lab):
    done = rshub("ls", "--reward", "unheard-of", *lab.as_user)
    assert (done.code, done.out) == (0, "")
    assert "No expert" in done.err
    assert rshub("ls", "--reward", "unheard-of", "--json", *lab.as_user).json == []


def test_info_is_a_sheet(rshub, lab):
    done = rshub("info", "lab/helpful@v1.0.0", *lab.as_user)
    assert done.code == 0
    assert done.out.startswith("lab/helpful@v1.0.0\n")
    assert "rank 2" in done.out
    value = rshub("info", "lab/helpful", "--json", *lab.as_user).json
    assert value["repo"] == "lab/helpful"
    assert value["manifest"]["licence"] == "mit"


def test_info_of_nothing_is_not_found(rshub, lab):
    done = rshub("info", "lab/nothing", "--json", *lab.as_user)
    assert done.code == 5
    assert done.error["error"] == "NotFound"


def test_endpoint_and_token_come_from_the_environment(process, lab):
    seen = process("ls", "--author", "lab", "-q", env={"HF_ENDPOINT": lab.endpoint, "HF_TOKEN": lab.token})
    assert (seen.code, seen.out, seen.err) == (0, "lab/concise\nlab/helpful\n", "")


@pytest.mark.parametrize("option", ["--json", "-q", None])
def test_off_a_terminal_no_bar_is_drawn(process, lab, option):
    more = [option] if option else []
    done = process(
        "publish",
        lab.folder / "concise",
        f"ada/bars{(option or '').strip('-')}x",
        "--reward",
        "concise",
        *lab.as_user,
        *more,
    )
    assert done.code == 0
    assert "\r" not in done.err
    assert "\x1b" not in done.err
    assert done.err.count("\n") == (0 if option else 1)


def test_an_empty_wish_about_bars_is_none(process, lab):
    done = process(
        "publish", lab.folder / "concise", "ada/empty", "--reward", "concise", *lab.as_user,
        env={"HF_HUB_DISABLE_PROGRESS_BARS": "", "HF_HUB_VERBOSITY": ""},
    )  # fmt: skip
    assert done.code == 0
    assert "\r" not in done.err
    assert done.err.count("\n") == 1


def test_what_a_publisher_wrote_cannot_drive_the_terminal_of_a_reader(rshub, lab):
    spec = "judge:\x1b]0;owned\x07\u202e"
    assert publish(rshub, lab, lab.folder / "helpful", "ada/hostile", "--spec", spec, "-q").code == 0
    shown = rshub("info", "ada/hostile", *lab.as_user)
    assert "\\x1b]0;owned\\x07\\u202e" in shown.out
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.out + shown.err)
    assert rshub("info", "ada/hostile", "--json", *lab.as_user).json["manifest"]["reward"]["spec"] == spec
