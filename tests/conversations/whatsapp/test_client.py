"""The client's four answers, each seen over a real connection on this machine."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conversations.whatsapp.client import Client
from conversations.whatsapp.errors import ErrorClass, FateUnknown, NotSent, Refused

Does = Callable[[socket.socket], object]
OK = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+393471234567", "wa_id": "393471234567"}],
    "messages": [{"id": "wamid.OUT0001", "message_status": "accepted"}],
}


class Peer:
    """A server of one connection after the other that does to each what a test says, and keeps what it read."""

    def __init__(self, answers: list[bytes | Does]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        for answer in self.answers:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.requests.append(read_request(connection))
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)

    def close(self) -> None:
        self.listener.close()
        self.thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: int, body: bytes | dict) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(raw), raw)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@contextmanager
def peer(*answers: bytes | Does) -> Iterator[tuple[Peer, Client]]:
    server = Peer(list(answers))
    client = Client(server.url, "v26.0", "secret-token", timeout=(2, 0.3))
    try:
        yield server, client
    finally:
        client.close()
        server.close()


def post(*answers: bytes | Does):
    with peer(*answers) as (_, client):
        return client.post_message("118", {"messaging_product": "whatsapp"})


def test_an_accepted_message_has_its_wamid_and_the_number_the_platform_chose():
    with peer(answer(200, OK)) as (server, client):
        accepted = client.post_message("118", b'{"messaging_product":"whatsapp"}')
    assert (accepted.wamid, accepted.wa_id, accepted.user_id) == ("wamid.OUT0001", "393471234567", None)
    assert accepted.message_status == "accepted"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v26.0/118/messages HTTP/1.1")
    assert b"Authorization: Bearer secret-token" in head
    assert body == b'{"messaging_product":"whatsapp"}'


def test_a_message_to_a_user_id_is_answered_with_it():
    accepted = post(answer(200, {"contacts": [{"input": "IT.1", "user_id": "IT.1"}], "messages": [{"id": "wamid.1"}]}))
    assert (accepted.wa_id, accepted.user_id, accepted.message_status) == (None, "IT.1", None)


def test_a_graph_error_is_a_refusal_with_its_code():
    body = {"error": {"message": "(#131056) pair", "code": 131056, "error_data": {"details": "too many"}}}
    with pytest.raises(Refused) as refusal:
        post(answer(400, body))
    error = refusal.value
    assert (error.code, error.http_status, error.title, error.details) == (131056, 400, "(#131056) pair", "too many")
    assert error.error_class is ErrorClass.PAIR_RATE


def test_a_graph_error_under_a_5xx_is_still_a_refusal():
    with pytest.raises(Refused) as refusal:
        post(answer(500, {"error": {"code": 131016, "error_data": "plain words"}}))
    assert (refusal.value.code, refusal.value.details) == (131016, "plain words")


def test_the_subcode_of_a_wrong_id_is_kept():
    with pytest.raises(Refused) as refusal:
        post(answer(400, {"error": {"code": 100, "error_subcode": 33}}))
    assert refusal.value.error_class is ErrorClass.HOLD_NUMBER


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302, 408])
def test_a_failure_without_words_leaves_the_fate_unknown(status):
    with pytest.raises(FateUnknown):
        post(answer(status, b"<html>Bad gateway</html>"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        {},
        {"messages": []},
        {"messages": [{}]},
        {"messages": [{"id": 5}]},
        {"messages": "x"},
        {"error": {"code": "x"}},
    ],
)
def test_a_success_without_a_wamid_leaves_the_fate_unknown(body):
    with pytest.raises(FateUnknown):
        post(answer(200, body))


@pytest.mark.parametrize("status", [429, 404, 403, 413])
def test_what_a_proxy_turned_away_was_not_sent(status):
    with pytest.raises(NotSent):
        post(answer(status, b"<html>no</html>"))


def test_a_read_that_times_out_leaves_the_fate_unknown():
    gate = threading.Event()
    with peer(lambda _: gate.wait(5)) as (_, client):
        with pytest.raises(FateUnknown):
            client.post_message("118", b"{}")
        gate.set()


def test_a_reset_after_the_request_leaves_the_fate_unknown():
    with pytest.raises(FateUnknown):
        post(reset)


def test_an_answer_cut_in_the_middle_leaves_the_fate_unknown():
    with pytest.raises(FateUnknown):
        post(answer(200, OK)[:-10])


def test_a_refused_connection_sent_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(NotSent):
        Client(url, "v26.0", "t").post_message("118", b"{}")


def test_a_name_that_does_not_resolve_sent_nothing(monkeypatch):
    def unresolved(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(NotSent):
        Client("http://graph.invalid", "v26.0", "t").post_message("118", b"{}")


def test_a_connection_that_cannot_be_made_in_time_sent_nothing(monkeypatch):
    def slow(*args: object, **kwargs: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", slow)
    with pytest.raises(NotSent):
        Client("http://127.0.0.1:9", "v26.0", "t").post_message("118", b"{}")


def test_a_failed_tls_handshake_sent_nothing():
    with peer(b"this is no TLS\r\n\r\n") as (server, _):
        client = Client(server.url.replace("http:", "https:"), "v26.0", "t", timeout=(1, 1))
        with pytest.raises(NotSent):
            client.post_message("118", b"{}")
        client.close()


def test_a_tls_handshake_that_hangs_sent_nothing():
    listener = socket.create_server(("127.0.0.1", 0))  # takes the connection and never says a word
    client = Client(f"https://127.0.0.1:{listener.getsockname()[1]}", "v26.0", "t", timeout=(0.3, 0.3))
    with pytest.raises(NotSent):
        client.post_message("118", b"{}")
    client.close()
    listener.close()


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none_sent_nothing(url):
    with pytest.raises(NotSent):
        Client(url, "v26.0", "t").post_message("118", b"{}")


def test_the_environment_decides_nothing(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert post(answer(200, OK)).wamid == "wamid.OUT0001"


def test_a_redirect_is_not_followed_with_our_token():
    with (
        peer(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n") as (server, client),
        pytest.raises(FateUnknown),
    ):
        client.post_message("118", b"{}")
    assert len(server.requests) == 1


def test_the_token_shows_in_no_text_of_ours():
    with peer(answer(500, b"")) as (_, client), pytest.raises(FateUnknown) as error:
        client.post_message("118", b"{}")
    assert "secret-token" not in f"{client!r} {error.value}"


def page(names: list[str], after: str | None, more: bool) -> bytes:
    paging: dict = {"cursors": {"before": "b", "after": after}} if after else {}
    if more:
        paging["next"] = "http://elsewhere.invalid/next"
    return answer(200, {"data": [{"name": name} for name in names], "paging": paging})


def test_templates_are_read_page_by_page_until_no_next():
    with peer(page(["a", "b"], "c1", True), page(["c"], "c2", False)) as (server, client):
        assert [row["name"] for row in client.iter_templates("104", page_size=2)] == ["a", "b", "c"]
    assert b"GET /v26.0/104/message_templates?" in server.requests[0] and b"limit=2" in server.requests[0]
    assert b"after=c1" in server.requests[1]


def test_a_cursor_that_comes_again_ends_the_list():
    with peer(page(["a"], "c1", True), page(["b"], "c1", True)) as (_, client):
        assert [row["name"] for row in client.iter_templates("104")] == ["a", "b"]


def test_a_list_that_is_none_is_an_error():
    with peer(answer(200, {"data": "x"})) as (_, client), pytest.raises(FateUnknown):
        list(client.iter_templates("104"))


def test_a_number_is_read_with_its_fields():
    with peer(answer(200, {"id": "118", "quality_rating": "GREEN"})) as (server, client):
        assert client.phone_number("118")["quality_rating"] == "GREEN"
    assert b"quality_rating" in server.requests[0]


def test_marking_as_read_names_the_message():
    with peer(answer(200, {"success": True})) as (server, client):
        client.mark_read("118", "wamid.IN1", typing=True)
    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert body == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.IN1",
        "typing_indicator": {"type": "text"},
    }


def test_an_id_cannot_change_the_address():
    with peer(answer(200, OK)) as (server, client):
        client.post_message("../x?y", b"{}")
    assert server.requests[0].startswith(b"POST /v26.0/..%2Fx%3Fy/messages ")
