"""Starting and stopping the hub: in a thread of this process, or in the foreground until a signal.

The web framework is imported when a hub starts, so that adding a user needs none. By default only this machine can
reach a hub: another address must be allowed in so many words.
"""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rshub.localhub import accounts
from rshub.localhub.database import Database
from rshub.localhub.errors import LocalHubError
from rshub.localhub.layout import exclusive, prepare

_START_TIMEOUT = 60  # seconds
_GRACE = 5  # seconds that running requests get when the hub stops


class LocalHub:
    """A hub over one root directory, served while the context lasts.

    Args:
        root: Where everything is kept; created when missing. One hub at a time serves a root.
        host: Address to listen on.
        port: 0 picks a free one.
        allow_remote: Permit an address that other machines can reach. Reading public repositories needs no token.

    Raises:
        LocalHubError: On entering: the root cannot be used or is taken, the port is in use, or the address is not this
            machine's own and `allow_remote` was not given.
    """

    def __init__(self, root: Path, *, host: str = "127.0.0.1", port: int = 0, allow_remote: bool = False) -> None:
        self.root = Path(root)
        self._host = host
        self._port = port
        self._allow_remote = allow_remote
        self._endpoint: str | None = None
        self._stack = ExitStack()

    @property
    def endpoint(self) -> str:
        """The address to give to clients, `http://127.0.0.1:43211`.

        Raises:
            LocalHubError: The hub is not running.
        """
        if self._endpoint is None:
            raise LocalHubError("the hub has no endpoint before it is entered: use `with hub:`")
        return self._endpoint

    def add_user(
        self, name: str, *, role: str = "write", orgs: Iterable[tuple[str, str]] = (), token: str | None = None
    ) -> str:
        """Do `add_user` on this hub's root, before or while it runs."""
        return add_user(self.root, name, role=role, orgs=orgs, token=token)

    def __enter__(self) -> Self:
        if self._endpoint is not None:
            raise LocalHubError("this hub is already running")
        if not self._allow_remote and not _is_loopback(self._host):
            raise LocalHubError(
                f"{self._host} can be reached from other machines; pass allow_remote=True if that is what you want"
            )
        with ExitStack() as stack:
            layout = prepare(self.root)
            stack.enter_context(exclusive(layout))
            listener = stack.enter_context(_listen(self._host, self._port))
            from rshub.localhub.app import build
            from rshub.localhub.hub import Hub

            hub = Hub(layout)
            stack.callback(hub.close)
            stack.enter_context(_served(build(hub), listener))
            self._stack = stack.pop_all()
        self._endpoint = _address(self._host, listener.getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._endpoint = None
        self._stack.close()


def add_user(
    root: Path, name: str, *, role: str = "write", orgs: Iterable[tuple[str, str]] = (), token: str | None = None
) -> str:
    """Create a user, or one more token for an existing one; works while a hub serves the root, and without one.

    Args:
        root: The hub's root; created when missing.
        name: The user.
        role: What the token allows: read, write or admin.
        orgs: (organisation, role) pairs; roles are read, contributor, write, admin. Organisations come into being here.
        token: A token to accept instead of a new random one.

    Returns:
        The token. Only its digest is stored.

    Raises:
        LocalHubError: A name, role, token or the root is unusable.
    """
    database = Database(prepare(Path(root)).database)
    try:
        return accounts.add_user(database, name, role=role, orgs=orgs, token=token)
    finally:
        database.close()


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8321,
    on_ready: Callable[[str], None],
    allow_remote: bool = False,
) -> None:
    """Serve a root until SIGINT or SIGTERM, then stop cleanly and return.

    Args:
        root: The hub's root.
        host: Address to listen on.
        port: Port to listen on; 0 picks a free one.
        on_ready: Called with the endpoint once requests are answered.
        allow_remote: As for `LocalHub`.

    Raises:
        LocalHubError: As for `LocalHub`.
    """
    stopping = threading.Event()
    with _signals(stopping), LocalHub(root, host=host, port=port, allow_remote=allow_remote) as hub:
        on_ready(hub.endpoint)
        stopping.wait()


@contextlib.contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Turn the two stop signals into an event, where Python allows it: in the main thread."""

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _served(application: object, listener: socket.socket) -> Iterator[None]:
    """Run a web server in a thread for as long as the context lasts."""
    import uvicorn

    config = uvicorn.Config(
        application,  # type: ignore[arg-type]  # an ASGI application, which this module does not import
        access_log=False,
        log_config=None,
        log_level="critical",  # the application logs its own failures
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=30,
        server_header=False,
    )
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="localhub", daemon=True)
    thread.start()
    try:
        if not ready.wait(_START_TIMEOUT) or not server.started:
            raise LocalHubError("the hub's web server did not start")
        yield
    finally:
        server.should_exit = True
        thread.join(_GRACE + 5)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Named as TCP, or asyncio leaves Nagle's delay on and every answer takes 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(256)
        except BaseException:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise LocalHubError(f"cannot listen on {host}:{port}: {error}") from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
