#!/usr/bin/env python3
"""Called as Speaches calls uvicorn; serves the stand-in that the unit tests know, on the port of the real one."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.fakes.http import Request
from tests.fakes.speaches import Speaches

ADDRESS = ("0.0.0.0", 8000)  # noqa: S104 - the kubelet and the Service come from outside


def main() -> None:
    """Serve until the container is stopped."""
    service = Speaches(api_key=os.environ.get("API_KEY", ""), hub=True)
    service.preload(json.loads(os.environ.get("PRELOAD_MODELS", "[]")))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = service.answer(Request(self.command, unquote(urlsplit(self.path).path), headers, body))
            content, content_type = answer.encoded()
            self.send_response(answer.status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names of the base class

    ThreadingHTTPServer(ADDRESS, Handler).serve_forever()


if __name__ == "__main__":
    main()
