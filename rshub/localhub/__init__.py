"""The embedded hub: an HTTP server that the unmodified Hugging Face client cannot tell from the real one.

    with LocalHub(root) as hub:
        token = hub.add_user("alice")
        HfApi(endpoint=hub.endpoint, token=token).create_repo("alice/expert")

Knows nothing of the rest of rshub and could be a package of its own. Refuses to reach the network: it only listens, and
only on this machine unless told otherwise.
"""

from rshub.localhub.errors import LocalHubError
from rshub.localhub.server import LocalHub, add_user, serve

__all__ = ["LocalHub", "LocalHubError", "add_user", "serve"]
