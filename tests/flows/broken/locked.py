"""Runs a command beside a server that wants a login."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Locked(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 8000), Locked)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:]))
