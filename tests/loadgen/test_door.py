"""The master's socket against peers that do have the token: who is let in, who hears why not, and what is never answered.

Locust patches the process, so the scene plays in a subprocess.
"""

import json
import subprocess
import sys
import textwrap

import pytest

SCENE = """
    import json
    import gevent, msgspec
    import zmq.green as zmq
    from locust.rpc import Message, zmqrpc
    from harness.loadgen import door, messages
    from harness.loadgen.seal import Seal, Way

    TOKEN = "t" * 64
    door.install(TOKEN)
    server = zmqrpc.Server("127.0.0.1", 0)
    heard = []
    def listen():
        while True:
            name, message = server.recv_from_client()
            heard.append([name, message.type])
    gevent.spawn(listen)

    class Peer:
        def __init__(self, name):
            self.name, self.seal, self.socket = name, Seal(TOKEN), zmq.Context().socket(zmq.DEALER)
            self.socket.setsockopt(zmq.IDENTITY, name.encode())
            self.socket.connect(f"tcp://127.0.0.1:{server.port}")
        def say(self, kind, node=None, content=None):
            content = Message(kind, "2.47.0", node or self.name).serialize() if content is None else content
            self.socket.send(self.seal.close(Way.TO_MASTER, self.name.encode(), content))
            gevent.sleep(0.2)
        def answer(self):
            if not self.socket.poll(500): return None
            return Message.unserialize(self.seal.open(Way.TO_WORKER, self.name.encode(), self.socket.recv()))
        def knock(self):
            self.socket.send(self.seal.close(Way.KNOCK, self.name.encode(), b""))
            self.seal.session = msgspec.msgpack.decode(self.answer().data, type=messages.Welcome).session

    first, second = Peer("first"), Peer("second")
    early = Peer("early")
    early.socket.send(early.seal.close(Way.KNOCK, b"early", b""))
    before = [early.answer() is None, list(heard)]
    server.door.open(1)
    early.answer()
    first.knock(), second.knock()
    first.say("client_ready"), first.say("stats")
    second.say("stats"), second.say("client_ready")
    refused = second.answer()
    first.say("stats", node="second"), first.say("locustfile")
    for nothing in ((1, 2), (1, None, "first"), 7):
        first.say("", content=msgspec.msgpack.encode(nothing))
    first.say("", content=b"\\xc1")
    silent = first.answer() is None
    large = Peer("large"); large.knock()
    large.socket.send(bytes(door.LARGEST_BYTES + 1)); gevent.sleep(1)
    first.say("heartbeat")
    why = msgspec.msgpack.decode(refused.data, type=messages.Refused).why
    print(json.dumps({"before": before, "heard": heard, "refused": [refused.type, why], "silent": silent,
                      "counted": server.door.seal.refused, "late": list(server.door.late),
                      "codes": [each.code for each in door._late(server.door)]}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, object]:
    words = [sys.executable, "-c", textwrap.dedent(SCENE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_nobody_is_heard_before_the_door_is_open(seen: dict[str, object]) -> None:
    """Who knocks before waits, and is answered then."""
    assert [True, []] == seen["before"]


def test_who_has_a_seat_is_heard(seen: dict[str, object]) -> None:
    """The first that is ready has the only seat, and all that it says is heard in order, also after all that was refused."""
    assert [["first", "client_ready"], ["first", "stats"], ["first", "heartbeat"]] == seen["heard"]


def test_who_is_too_late_hears_why(seen: dict[str, object]) -> None:
    """Locust's master hears nothing of it."""
    assert ["signoff.refused", "all seats of this run are taken (1)"] == seen["refused"]
    assert (["second"], ["late_worker"]) == (seen["late"], seen["codes"])


def test_what_is_unknown_is_counted(seen: dict[str, object]) -> None:
    """One word of a worker without a seat, one in another's name, a wish for the locustfile, and four that are no messages.

    The one that was too large has never been received, so it is not even counted; and nobody got an answer.
    """
    assert ({"unknown": 7}, True) == (seen["counted"], seen["silent"])
