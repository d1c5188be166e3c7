"""``rshub train`` in one process of several, of which the second is slow to write; run by test_crew.py."""

import os
import sys
import time
from pathlib import Path

from transformers import Trainer

from rshub.cli.main import main

SECONDS = 1.5
write = Trainer._save_rng_state


def slowly(self, folder):
    """Write this process's part of a checkpoint late; nobody may have said by then that it is whole."""
    time.sleep(SECONDS)
    assert not (Path(folder) / "whole").exists(), "marked whole before it was"
    write(self, folder)


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        Trainer._save_rng_state = slowly
    main(sys.argv[1:])
