#!/usr/bin/env python3
"""Asks the entitlement agent of this server. Needs Python 3.8 and nothing else.

    status.py                 whether new work is covered, and why
    status.py feature NAME    a feature's value; exits with 1 where it is not covered
    status.py watch           each change of the status as it happens

The agent's socket is $ENTITLED_SOCKET, or /run/entitled/entitled.sock. Copy what you need: `Agent` is all of it.
"""

import http.client
import json
import os
import socket
import sys
from urllib.parse import quote

SOCKET = os.environ.get("ENTITLED_SOCKET", "/run/entitled/entitled.sock")


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Agent:
    """The agent behind a socket. Each call raises OSError where it can't be reached: keep the last answer, and decide."""

    def __init__(self, path=SOCKET):
        self.path = path

    def get(self, route, timeout=5):
        """The JSON at a route. LookupError tells what the agent says there is not."""
        with self.open(route, timeout) as response:
            answer = json.load(response)
        if response.status != 200:
            raise LookupError(answer["detail"])
        return answer

    def open(self, route, timeout):
        connection = UnixConnection(self.path, timeout)
        connection.request("GET", route, headers={"Connection": "close"})
        return connection.getresponse()

    def status(self):
        """The whole status; `entitled` and `message` are what most programs need."""
        return self.get("/v1/status")

    def feature(self, name):
        """A feature: its `value` (False where the license does not name it), and `entitled`."""
        return self.get("/v1/features/" + quote(name, safe=""))

    def watch(self):
        """The status now, and again after each change; ends when the agent stops."""
        # The agent sends a comment every 15 seconds: what is silent for longer is gone.
        with self.open("/v1/watch", timeout=60) as response:
            for line in response:
                if line.startswith(b"data:"):
                    yield json.loads(line[len(b"data:"):])


def told(status):
    covered = "entitled" if status["entitled"] else "not entitled"
    return f"{status['state']}, {covered}: {status['message']}"


def main(words):
    agent = Agent()
    if words in ([], ["status"]):
        status = agent.status()
        print(told(status))
        return 0 if status["entitled"] else 4
    if words == ["watch"]:
        for status in agent.watch():
            print(status["generation"], told(status), flush=True)
        return 0
    if len(words) == 2 and words[0] == "feature":
        feature = agent.feature(words[1])
        print(json.dumps(feature["value"]))
        return 0 if feature["entitled"] and feature["value"] is not False else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, LookupError) as error:
        sys.exit(f"{SOCKET}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
