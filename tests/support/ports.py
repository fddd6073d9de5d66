"""Ports of this machine for servers in tests, so that tests beside each other do not try the same one."""

import socket


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
