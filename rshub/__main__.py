"""``python -m rshub``: the command line."""

from __future__ import annotations

from rshub.cli.main import main

if __name__ == "__main__":
    main()
