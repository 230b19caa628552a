"""A nameserver that knows one address for every name, over UDP and TCP, for tests: `python resolver.py ADDRESS`.

A program of its own, because it must run in another network namespace than the test.
"""

from __future__ import annotations

import socketserver
import struct
import sys
import threading

ANSWER = "192.0.2.7"


def resolve(question: bytes) -> bytes:
    """Answers every question for an IPv4 address, and all else with nothing."""
    end = question.index(b"\0", 12) + 5
    asked = struct.unpack(">H", question[end - 4 : end - 2])[0]
    packed = bytes(map(int, ANSWER.split(".")))
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + packed if asked == 1 else b""
    return question[:2] + struct.pack(">HHHHH", 0x8180, 1, bool(record), 0, 0) + question[12:end] + record


class Udp(socketserver.BaseRequestHandler):
    """One datagram, one answer."""

    def handle(self) -> None:
        self.request[1].sendto(resolve(self.request[0]), self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    """A question with its length before it, and the answer likewise."""

    def handle(self) -> None:
        answer = resolve(self.rfile.read(struct.unpack(">H", self.rfile.read(2))[0]))
        self.wfile.write(struct.pack(">H", len(answer)) + answer)


if __name__ == "__main__":
    tcp = socketserver.ThreadingTCPServer((sys.argv[1], 53), Tcp)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    udp = socketserver.UDPServer((sys.argv[1], 53), Udp)
    print("ready", flush=True)
    udp.serve_forever()
