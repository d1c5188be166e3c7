"""An embedded hub with a tiny base and whatever experts a test publishes: the real server, the real client."""

import shutil
from pathlib import Path

import pytest

from rshub.experts.publish import publish
from rshub.hub.client import Hub
from rshub.localhub import LocalHub
from tests.tiny_models import Tiny


class Registry:
    """A hub with the accounts ada and ben, and the base ``lab/base`` that both may write to."""

    def __init__(self, root, served):
        self.tiny = Tiny(root / "made")
        self.root = root
        self.endpoint = served.endpoint
        self.served = served
        self.tokens = {name: served.add_user(name, orgs=[("lab", "write")]) for name in ("ada", "ben")}
        self.base_folder = self.tiny.base()
        self.base = self.put_base(self.base_folder)
        self.adapters = {}

    def hub(self, who="ada"):
        return Hub(self.endpoint, self.tokens[who])

    def put_base(self, folder, repo="lab/base"):
        """Commit a base and give the commit."""
        hub = self.hub()
        hub.create_repo(repo)
        return hub.commit(repo, {path.name: path for path in Path(folder).iterdir()}, message="A base").commit

    def expert(self, repo, reward, *, adapter=None, base="lab/base", **options):
        """Publish an expert; its adapter is random in a seed made of the repo's name."""
        adapter = adapter or self.tiny.adapter(seed=sum(map(ord, repo)))
        self.adapters[repo] = adapter
        return publish(
            adapter.folder,
            repo,
            reward=reward,
            base=base,
            endpoint=self.endpoint,
            token=self.tokens[options.pop("who", repo.split("/")[0])],
            **options,
        )

    def plain_adapter(self, repo, adapter=None, files=()):
        """Upload an adapter as PEFT would leave it: no manifest, no tag."""
        adapter = adapter or self.tiny.adapter(seed=77)
        self.adapters[repo] = adapter
        hub = self.hub(repo.split("/")[0])
        hub.create_repo(repo)
        names = files or ("adapter_config.json", "adapter_model.safetensors")
        return hub.commit(repo, {name: adapter.folder / name for name in names}, message="An adapter").commit


@pytest.fixture
def registry(tmp_path):
    root = tmp_path / "registry"
    with LocalHub(root / "hub") as served:
        yield Registry(root, served)
    shutil.rmtree(root, ignore_errors=True)
