"""A webhook's receiver that verifies each message as "Standard Webhooks" says, with nothing but Python's own library."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOLERANCE = 300


def verify(headers, body):
    """Whether the agent that knows the secret sent this, just now."""
    sent_at = headers["webhook-timestamp"]
    if abs(time.time() - int(sent_at)) > TOLERANCE:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    signatures = headers["webhook-signature"].split(" ")
    return any(hmac.compare_digest(expected, found) for found in signatures)


class Receiver:
    """Takes messages on a port of its own; one that is not sound is answered with 401, and never counted."""

    def __init__(self):
        self.messages = {}
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                sound = verify(self.headers, body)
                if sound:
                    # The same message may come twice: its id tells.
                    messages[self.headers["webhook-id"]] = json.loads(body)
                self.send_response(204 if sound else 401)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def states(self):
        return [message["data"]["status"]["state"] for message in list(self.messages.values())]
