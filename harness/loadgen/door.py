"""The door between master and workers: Locust's sockets with our seal on every message, and so many seats and no more.

It stands below Locust: what it does not let through has never been there for Locust's master (which would move users to whoever
says that he is ready) nor for ours. Locust makes new sockets when it resets a connection; the door outlives them.
"""

import logging
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust.rpc import Message, zmqrpc

from harness.errors import ExitCode
from harness.loadgen import messages
from harness.loadgen.seal import TOKEN, Refusal, Seal, Way, finding, is_knock, new_session
from harness.records import Finding

log = logging.getLogger(__name__)
LARGEST_BYTES = 64 << 20
HINT_AFTER = 3  # unanswered calls at the door, five seconds each
_UNREADABLE = (TypeError, ValueError, zmqrpc.msgerr.UnpackException)


class Door:
    """One process's. `late` are the workers that came when all seats were taken."""

    def __init__(self, token: str) -> None:
        self.seal = Seal(token)
        self.late: dict[str, None] = {}
        self._seats = 0
        self._seated: set[str] = set()
        self._opened = Event()
        self._said: set[Refusal] = set()

    def open(self, seats: int) -> None:
        """From now on so many workers are let in. Until then all wait, and nothing that they say is lost."""
        self._seats = seats
        self._opened.set()

    def wait(self) -> None:
        self._opened.wait()

    def read(self, way: Way, worker: bytes, frame: bytes) -> Message | None:
        """What this frame says; None where it is not to be heard."""
        content = self.unseal(way, worker, frame)
        if content is None:
            return None
        message = _message(content)
        if message is None or message.node_id.encode() != worker:
            self.refuse(Refusal.UNKNOWN)
            return None
        return message

    def unseal(self, way: Way, worker: bytes, frame: bytes) -> bytes | None:
        content = self.seal.open(way, worker, frame)
        if content is None:
            self._note()
        return content

    def admits(self, message: Message) -> bool:
        """Whether this message is of a worker that has a seat, or takes one by being ready while there are any.

        The locustfile is never given out, whoever asks for it.
        """
        worker = message.node_id
        if message.type == "locustfile":
            return False
        if worker not in self._seated and message.type == "client_ready" and len(self._seated) < self._seats:
            self._seated.add(worker)
        return worker in self._seated

    def refuse(self, reason: Refusal) -> None:
        self.seal.refuse(reason)
        self._note()

    def _note(self) -> None:
        """The log has the first of each kind, the finding has them all. Others get a turn, however fast a stranger sends."""
        for reason in self.seal.refused.keys() - self._said:
            self._said.add(reason)
            log.warning("refused a message (%s); the report says how many there were", reason)
        gevent.sleep(0)

    @property
    def why_late(self) -> str:
        return f"all seats of this run are taken ({self._seats})"


def _message(content: bytes) -> Message | None:
    """None for what is no message of Locust's: one end is of another version, or has the token and means ill."""
    try:
        message = Message.unserialize(content)
    except _UNREADABLE:
        return None
    return message if isinstance(message.type, str) and isinstance(message.node_id, str) else None


class _Limited:
    """Locust's `socket`, told how large a message may be before Locust connects it: later would be too late."""

    def __set__(self, owner: Any, made: Any) -> None:
        made.setsockopt(zmqrpc.zmq.MAXMSGSIZE, LARGEST_BYTES)
        owner.__dict__["socket"] = made

    def __get__(self, owner: Any, kind: type) -> Any:
        return owner.__dict__["socket"]


class _Sealed:
    """A message as Locust's sockets want it.

    Subtle: it is sealed when it is sent. Locust tries again after a second what could not be sent, and by then it would be old.
    """

    def __init__(self, seal: Seal, way: Way, message: Message) -> None:
        self._seal, self._way, self._message = seal, way, message
        self.node_id: str = message.node_id

    def serialize(self) -> bytes:
        return self._seal.close(self._way, self.node_id.encode(), self._message.serialize())


class _Knock:
    """What a worker says first, as Locust's socket wants it."""

    def __init__(self, seal: Seal, worker: bytes) -> None:
        self._seal, self._worker = seal, worker

    def serialize(self) -> bytes:
        return self._seal.close(Way.KNOCK, self._worker, b"")


class Server(zmqrpc.Server):
    """The master's socket."""

    door: Door
    socket = _Limited()

    def __init__(self, host: str, port: int) -> None:
        self.door.seal.session = self.door.seal.session or new_session()
        super().__init__(host, port)

    def send_to_client(self, message: Message) -> None:
        super().send_to_client(_Sealed(self.door.seal, Way.TO_WORKER, message))

    def recv_from_client(self) -> tuple[str, Message]:
        self.door.wait()
        while (message := self._heard()) is None:
            pass
        return message.node_id, message

    def _heard(self) -> Message | None:
        identity, *frames = self._parts()
        frame = frames[0] if len(frames) == 1 else b""
        if is_knock(frame):
            self._welcome(identity, frame)
            return None
        message = self.door.read(Way.TO_MASTER, identity, frame)
        if message is None or self.door.admits(message):
            return message
        self._turn_away(message)
        return None

    def _parts(self) -> list[bytes]:
        try:
            return list(self.socket.recv_multipart())
        except zmqrpc.zmqerr.ZMQError as broken:
            raise zmqrpc.RPCError("ZMQ network broken") from broken

    def _welcome(self, worker: bytes, frame: bytes) -> None:
        """No seat is taken yet: it may be an old knock, and who cannot seal for this session comes no further."""
        if self.door.unseal(Way.KNOCK, worker, frame) is not None:
            told = msgspec.msgpack.encode(messages.Welcome(self.door.seal.session))
            self.send_to_client(Message(messages.WELCOME, told, worker.decode()))

    def _turn_away(self, message: Message) -> None:
        """A worker of ours for whom there is no seat hears so, and leaves."""
        if message.type != "client_ready":
            self.door.refuse(Refusal.UNKNOWN)
            return
        if message.node_id not in self.door.late:
            log.warning("turned %s away: %s", message.node_id, self.door.why_late)
        self.door.late[message.node_id] = None
        why = msgspec.msgpack.encode(messages.Refused(self.door.why_late))
        self.send_to_client(Message(messages.REFUSED, why, message.node_id))


class Client(zmqrpc.Client):
    """A worker's socket."""

    door: Door
    socket = _Limited()

    def __init__(self, host: str, port: int, identity: str) -> None:
        super().__init__(host, port, identity)
        self._me, self._where, self._calls = identity.encode(), f"{host}:{port}", 0
        self._held: list[Message] = []

    def send(self, message: Message) -> None:
        if self.door.seal.session:
            super().send(_Sealed(self.door.seal, Way.TO_MASTER, message))
        else:
            self._held = [message]  # Locust says that it is ready again and again, and nothing else before it is answered
            super().send(_Knock(self.door.seal, self._me))
            self._hint()

    def recv(self) -> Message:
        while (message := self._heard()) is None or message.type == messages.WELCOME:
            if message is not None:
                self._enter(msgspec.msgpack.decode(message.data, type=messages.Welcome))
        if message.type == messages.REFUSED:
            _leave(msgspec.msgpack.decode(message.data, type=messages.Refused))
        return message

    def _enter(self, welcome: messages.Welcome) -> None:
        self.door.seal.session = welcome.session
        held, self._held = self._held, []
        for message in held:
            self.send(message)

    def _heard(self) -> Message | None:
        try:
            frame = self.socket.recv()
        except zmqrpc.zmqerr.ZMQError as broken:
            raise zmqrpc.RPCError("ZMQ network broken") from broken
        return self.door.read(Way.TO_WORKER, self._me, frame)

    def _hint(self) -> None:
        """Who knocks with another token gets no answer, and a master that is not there gives none."""
        self._calls += 1
        if self._calls == HINT_AFTER:
            log.warning("no master answers at %s: is it up, and has it the same %s?", self._where, TOKEN)


def is_installed() -> bool:
    return zmqrpc.Server is Server


def install(token: str) -> None:
    """Every socket that Locust makes from now on in this process and its forks is ours."""
    Server.door = Client.door = Door(token)
    zmqrpc.Server, zmqrpc.Client = Server, Client


def of(runner: Any) -> Door | None:
    """This runner's door; None for one that talks to nobody."""
    socket = getattr(runner, "server", None) or getattr(runner, "client", None)
    return getattr(socket, "door", None)


def findings(runner: Any, who: str) -> list[Finding]:
    """What came to this process's door and was not let in."""
    door = of(runner)
    return [] if door is None else [*finding(door.seal.refused, who), *_late(door)]


def _late(door: Door) -> list[Finding]:
    if not door.late:
        return []
    return [
        Finding(
            code="late_worker",
            what=f"{len(door.late)} more worker{'s' if len(door.late) > 1 else ''} came: {door.why_late}",
            why="they were turned away and made no load, and the run went on as it was planned",
            remedy="start the master with --expect-workers N and then N workers",
        )
    ]


def _leave(refused: messages.Refused) -> None:
    log.error("the master turned this worker away: %s", refused.why)
    raise SystemExit(ExitCode.USAGE)
