"""``python -m scripts.twins TASK ...``: publish tiny twins to an embedded hub, and check that their experts count."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import process_time


def main() -> int:
    """Publish, and check if asked to; 3 if an expert does not count."""
    parser = argparse.ArgumentParser(prog="scripts/twin", description=__doc__)
    parser.add_argument("task", nargs="+", help="news, reddit, stack, review or assistant; or all")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/rshub/twins").expanduser())
    parser.add_argument("--check", action="store_true", help="train every expert and measure what it gains")
    parser.add_argument("--fast", action="store_true", help="learn for a moment only")
    parser.add_argument("--endpoint", help="a hub to publish to; an embedded one, thrown away, without it")
    parser.add_argument("--token", help="of somebody who may write to the organisation twins")
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from scripts.twins.tasks import TASKS

    tasks = list(TASKS) if given.task == ["all"] else given.task
    if unknown := [task for task in tasks if task not in TASKS]:
        parser.error(f"no task {unknown[0]!r}; there are {', '.join(TASKS)}")
    with tempfile.TemporaryDirectory(prefix="rshub-twins-") as scratch:
        os.environ["HF_HOME"] = scratch
        if given.endpoint:
            return _all(tasks, given, Path(scratch), given.endpoint, given.token)
        from rshub.localhub import LocalHub

        with LocalHub(Path(scratch) / "hub") as served:
            token = served.add_user("ada", orgs=[("twins", "write")])
            return _all(tasks, given, Path(scratch), served.endpoint, token)


def _all(tasks: list[str], given: argparse.Namespace, scratch: Path, endpoint: str, token: str) -> int:
    from scripts.twins.check import check, lines
    from scripts.twins.twin import publish_twin

    failed = 0
    for task in tasks:
        began = process_time()
        twin = publish_twin(task, endpoint=endpoint, token=token, cache=given.cache, fast=given.fast)
        accuracy = ", ".join(f"{name} {share:.3f}" for name, share in twin.accuracy.items())
        print(f"{task}: {twin.base}, loss {twin.loss:.3f} nats per token, {process_time() - began:.0f} CPU-seconds")
        print(f"  held-out pairs that the reward models order rightly: {accuracy}", flush=True)
        if given.check:
            checked = check(twin, scratch / task, endpoint=endpoint, token=token)
            print("\n".join(f"  {line}".rstrip() for line in lines(checked)), flush=True)
            failed += len(checked.failed)
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
