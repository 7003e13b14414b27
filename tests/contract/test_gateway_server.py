"""How the gateway listens."""

import socket

import pytest

from services.adapters.gateway_server import listen
from services.errors import SettingsError


def test_no_answer_waits_for_the_clients_acknowledgement():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_named_with_what_to_do():
    with listen("127.0.0.1", 0) as first, pytest.raises(SettingsError, match=r"Set gateway\.port to a free one"):
        listen(*first.getsockname())
