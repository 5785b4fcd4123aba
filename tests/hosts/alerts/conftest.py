"""A service that receives alerts, as apprise's `json://` address sends them."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


class Service:
    """A local web service: `url` is its address, `slow_url` one that answers without an end, `received` what came."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                while self.path == "/slow":
                    self.wfile.write(b"x")
                    time.sleep(0.1)
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            # As many alerts as are sent at once may wait for a connection.
            request_queue_size = 100

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"json://user:secret-word@127.0.0.1:{self._server.server_port}/alerts"
        self.slow_url = f"{self.url.rpartition('/')[0]}/slow"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()
