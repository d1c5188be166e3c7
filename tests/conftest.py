"""What every test gets: no way off this machine, and a clean environment."""

import atexit
import os
import shutil
import signal
import socket
import tempfile

import pytest
from hypothesis import settings

pytest_plugins = ["tests.tiny_models", "tests.registry"]

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

for name in list(os.environ):
    if name.startswith(("HF_", "HUGGING", "RSHUB_")) and name != "RSHUB_UPDATE_GOLDEN":
        del os.environ[name]
HOME = tempfile.mkdtemp(prefix="rshub-tests-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["HF_HOME"] = HOME  # the client reads it once, at import
os.environ["RSHUB_CACHE"] = f"{HOME}/rshub-cache"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # tiny models: handing work to a second thread costs more than it brings
os.environ["TOKENIZERS_PARALLELISM"] = "false"
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)


signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have background jobs and their children ignore it

if not os.environ.get("CI"):  # where it is set, hypothesis is steady by itself
    settings.register_profile("busy machine", deadline=None)
    settings.load_profile("busy machine")


@pytest.fixture(scope="session", autouse=True)
def no_way_out():
    """Refuse every connection that leaves the machine."""
    original = socket.socket.connect

    def connect(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"tests stay on this machine, not {address[0]}")
        return original(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()
