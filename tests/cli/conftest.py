"""Running the program: in this process where it is enough, as a process of its own where streams and exits matter."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rshub.cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        assert self.out.count("\n") == 1, "JSON is one line"
        return json.loads(self.out)

    @property
    def error(self):
        assert self.out == "", "stdout stays empty on an error"
        return json.loads(self.err.splitlines()[-1])


@pytest.fixture
def rshub(capsys):
    """Run the program in this process."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code=end.value.code, out=out, err=err)

    return run


@pytest.fixture
def environment():
    """An environment for a process: this one's, and the package on its path."""
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_DISABLE_PROGRESS_BARS"}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }


@pytest.fixture
def process(environment, tmp_path):
    """Run the program, or a line of Python, as a process of its own."""

    def run(*arguments, code=None, env=(), stdin=""):
        start = ["-m", "rshub"] if code is None else ["-c", code]
        done = subprocess.run(
            [sys.executable, *start, *map(str, arguments)],
            env=environment | dict(env),
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def serve(environment):
    """Serve a root by a process of its own, which is ended by its own id."""

    @contextmanager
    def run(root, *more):
        with subprocess.Popen(
            [sys.executable, "-m", "rshub", "hub", "serve", "--root", str(root), "--port", "0", *more],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as served:
            try:
                yield served
            finally:
                if served.poll() is None:
                    served.send_signal(signal.SIGINT)
                served.communicate(timeout=60)

    return run


@pytest.fixture
def serving(serve):
    """Serve a root, and give the endpoint."""

    @contextmanager
    def run(root):
        with serve(root, "--json") as served:
            yield json.loads(served.stdout.readline())["endpoint"]

    return run


WEIGHT = "model.layers.0.self_attn.q_proj.weight"
SIDE, RANK, ALPHA = 8, 2, 4


def write_base(folder):
    """Write a base with one matrix that adapters touch and one that they do not."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(0)
    tensors = {WEIGHT: numbers.normal(size=(SIDE, SIDE)), "model.norm.weight": np.ones(SIDE)}
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": SIDE}))
    return folder


def write_adapter(folder, seed, *, base="lab/base"):
    """Write a LoRA on the one matrix of the base; give its delta as a dense float64 matrix."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(seed)
    a, b = (numbers.normal(size=shape).astype(np.float32) for shape in ((RANK, SIDE), (SIDE, RANK)))
    stem = f"base_model.model.{WEIGHT.removesuffix('.weight')}"
    save_file({f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": ["q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return ALPHA / RANK * b.astype(np.float64) @ a.astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A hub with a base, and the folders that its experts are published from."""

    endpoint: str
    token: str
    folder: Path
    base: Path
    deltas: dict

    @property
    def as_user(self):
        return ("--endpoint", self.endpoint, "--token", self.token)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Serve a hub that holds ``lab/base``, ``lab/helpful`` and ``lab/concise``, published by the program itself."""
    from rshub.hub.client import Hub
    from rshub.localhub import LocalHub

    folder = tmp_path_factory.mktemp("lab")
    base = write_base(folder / "base")
    deltas = {name: write_adapter(folder / name, seed) for seed, name in enumerate(("helpful", "concise"), start=1)}
    with LocalHub(folder / "hub") as served:
        token = served.add_user("ada", orgs=[("lab", "admin")])
        hub = Hub(served.endpoint, token)
        hub.create_repo("lab/base")
        hub.commit("lab/base", {path.name: path for path in base.iterdir()}, message="A base")
        for name in deltas:
            with pytest.raises(SystemExit) as end:
                main([
                    "publish", str(folder / name), f"lab/{name}", "--reward", name, "--license", "mit", "-q",
                    "--endpoint", served.endpoint, "--token", token,
                ])  # fmt: skip
            assert end.value.code == 0
        yield Lab(endpoint=served.endpoint, token=token, folder=folder, base=base, deltas=deltas)
