#!/usr/bin/env python3
"""Asks the entitlement agent of this server. One file, Python 3.9 or newer, nothing else. Copy it into your program.

As a module:

    import entitled_client

    with entitled_client.Client() as client:          # watches in the background, over restarts of the agent
        if client.feature("reports").granted: ...     # asks nobody; .stale and .age say how old the answer is
        for snapshot in client.changes(): ...         # what is known now, and each change of it

    agent = entitled_client.Agent()                   # asks each time
    agent.check_limit("users", 5)["allowed"]
    agent.report_usage("users", 812, reporter="web-1")

An agent that can't be asked raises AgentError from `Agent`, never from `Client`: that keeps the last answer, says that it is
stale and since when, and the program decides.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sys
import threading
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import quote

SOCKET = os.environ.get("ENTITLED_SOCKET", "/run/entitled/entitled.sock")
PATIENCE = 5.0  # seconds for one question
SILENCE = 45.0  # the agent gives a sign of life every 15 seconds: what is silent for three of them is gone
PAUSES = (0.05, 5.0)  # seconds before the next try: the first, and the longest
MOST = 4 << 20  # bytes of an answer, or of an event
USUAL_TTL = 300  # seconds that reported usage counts

Json = Dict[str, Any]


class AgentError(Exception):
    """The agent could not be asked, or refused. `code` never changes its meaning."""

    def __init__(self, code: str, message: str, retry_after: Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


def _is_granted(entitled: Any, value: Any) -> bool:
    return entitled is True and value is not False and value is not None


class Agent:
    """The agent behind its sockets, asked each time. Every call raises AgentError where there is no answer."""

    def __init__(self, path: str = SOCKET, patience: float = PATIENCE) -> None:
        self.path = path
        self.patience = patience

    def get(self, route: str) -> Json:
        """The JSON at a route, such as `/v1/license`."""
        return self._ask("GET", route)

    def status(self) -> Json:
        """The whole status; `entitled` and `message` are what most programs need."""
        return self.get("/v1/status")

    def feature(self, name: str) -> Json:
        """A feature: its `value` (False where the license does not name it), `known`, and `entitled`."""
        return self.get(f"/v1/features/{_part(name)}")

    def limit(self, name: str) -> Json:
        """A limit: `known`, `limit` (None for unlimited), `enforcement`, `used`, `state`."""
        return self.get(f"/v1/limits/{_part(name)}")

    def check_limit(self, name: str, amount: int = 1) -> Json:
        """Whether `amount` more may be taken: `allowed`, `reason`, `message`, `fresh`. Nothing is reserved: report what is taken."""
        return self.get(f"/v1/limits/{_part(name)}/check?amount={int(amount)}")

    def report_usage(self, limit: str, value: int, reporter: str, ttl: int = USUAL_TTL) -> None:
        """Reports what `reporter` uses of a limit now; it counts for `ttl` seconds unless it is reported again."""
        body = {"reporter": reporter, "value": value, "ttl_seconds": ttl}
        self._ask("PUT", f"/v1/usage/{_part(limit)}", body)

    def report_users(self, limit: str, users: Sequence[str], left: Sequence[str] = (), ttl: int = USUAL_TTL) -> None:
        """Reports users that are there, and those that left: each counts once in the whole environment."""
        body = {"users": list(users), "left": list(left), "ttl_seconds": ttl}
        self._ask("PUT", f"/v1/usage/{_part(limit)}/users", body)

    def _ask(self, method: str, route: str, body: Optional[Json] = None) -> Json:
        path = self.path if body is None else os.path.join(os.path.dirname(self.path), "usage.sock")
        with _Wire(path, self.patience) as wire:
            wire.send(method, route, body)
            return wire.answer()


class Feature(NamedTuple):
    """A feature as it is known now."""

    value: Any  # as the license says it; False where it does not name the feature
    known: bool  # whether the license names it
    entitled: bool  # whether new work is covered at all
    stale: bool  # whether the agent can't be heard
    age: Optional[float]  # seconds since this was last known to be what the agent says; None: it never answered

    @property
    def granted(self) -> bool:
        """Whether the program may do it, by the last answer."""
        return _is_granted(self.entitled, self.value)


class Snapshot(NamedTuple):
    """All that is known at one moment."""

    status: Optional[Json]  # the last one; None: there was no answer yet
    error: Optional[AgentError]  # why the agent can't be heard; None: it can, or the first try has not ended
    live: bool  # whether it is what the agent says now
    number: int  # grows with each change

    def granted(self, feature: str) -> bool:
        """Whether a feature is granted, by the last answer."""
        status = self.status or {}
        return _is_granted(status.get("entitled"), status.get("features", {}).get(feature, False))


class Client:
    """Watches the agent from a thread of its own. What it is asked it answers from memory, from any thread."""

    def __init__(self, path: str = SOCKET, patience: float = PATIENCE) -> None:
        self.agent = Agent(path, patience)
        self._known = Snapshot(None, None, False, 0)
        self._heard: Optional[float] = None
        self._changed = threading.Condition()
        self._closed = False
        self._wire: Optional[_Wire] = None
        self._process = os.getpid()
        threading.Thread(target=self._watch, name="entitled-watch", daemon=True).start()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Stops watching. A forked process has no thread, and the socket is its parent's as well: it makes a client of its own."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._closed = True
            wire = self._wire
            self._changed.notify_all()
        if wire is not None:
            wire.end()

    @property
    def age(self) -> Optional[float]:
        """Seconds since the agent last said something; None where it never answered."""
        heard = self._heard
        return None if heard is None or self._known.status is None else time.monotonic() - heard

    @property
    def stale(self) -> bool:
        """Whether the agent can't be heard."""
        age = self.age
        return not self._known.live or age is None or age >= SILENCE or os.getpid() != self._process

    @property
    def status(self) -> Optional[Json]:
        """The last status; None where there was no answer yet."""
        return self._known.status

    @property
    def snapshot(self) -> Snapshot:
        """All that is known now."""
        return self._known

    def feature(self, name: str) -> Feature:
        """A feature, by the last answer."""
        status = self._known.status or {}
        features = status.get("features", {})
        entitled = status.get("entitled") is True
        return Feature(features.get(name, False), name in features, entitled, self.stale, self.age)

    def limit(self, name: str) -> Optional[Json]:
        """A limit, by the last answer; None where the license does not name it. `Agent.check_limit` asks for figures of now."""
        status = self._known.status or {}
        limit: Optional[Json] = status.get("limits", {}).get(name)
        return limit

    def changes(self) -> Iterator[Snapshot]:
        """What is known now, and again after each change; who is slow gets the last one. Ends with `close`."""
        seen = -1
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._known.number > seen)
                if self._closed:
                    return
                known = self._known
            seen = known.number
            yield known

    def wait(self, patience: float) -> Json:
        """The status, as soon as the agent is heard. Raises why it is not, when the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._known.live, patience)
            known = self._known
        if known.live and known.status is not None:
            return known.status
        raise known.error or AgentError("agent-silent", f"no answer within {patience} seconds")

    def _tell(self, status: Optional[Json], error: Optional[AgentError]) -> None:
        with self._changed:
            self._known = Snapshot(status, error, error is None, self._known.number + 1)
            self._changed.notify_all()

    def _watch(self) -> None:
        first, longest = PAUSES
        pause = first
        while not self._closed:
            generation = self._known.number
            try:
                self._follow()
                error = AgentError("agent-unreachable", f"{self.agent.path}: the agent ended the connection")
            except AgentError as raised:
                error = raised
            except Exception as raised:  # whatever it is, the thread that everyone relies on goes on
                error = AgentError("not-an-agent", f"{self.agent.path}: {raised!r}")
            if self._known.number > generation and self._known.live:
                pause = first
            self._tell(self._known.status, error)
            asked = min(error.retry_after or 0, 60)
            with self._changed:
                # Apart, so that the programs of a server do not come back together.
                self._changed.wait_for(lambda: self._closed, max(pause * random.uniform(0.5, 1.0), asked))
            pause = min(pause * 2, longest)

    def _follow(self) -> None:
        with _Wire(self.agent.path, self.agent.patience) as wire:
            with self._changed:
                if self._closed:
                    return
                self._wire = wire
            wire.send("GET", "/v1/watch")
            # A socket of the service manager is there before its agent.
            wire.give(SILENCE)
            status, kind = wire.head()
            if (status, kind) != (200, "text/event-stream"):
                wire.refused(status, kind, wire.rest())
            data: List[bytes] = []
            while True:
                wire.give(SILENCE)
                line = wire.line()
                if line is None:
                    return
                self._heard = time.monotonic()
                if line.startswith(b"data:"):
                    data.append(line[len(b"data:") :])
                    if sum(map(len, data)) > MOST:
                        raise wire.not_an_agent("an event without an end")
                elif not line and data:
                    self._tell(wire.decoded(b"\n".join(data)), None)
                    data = []


class _Wire:
    """One connection, HTTP/1.0: an answer ends with its connection. Bounded in time and size."""

    def __init__(self, path: str, patience: float) -> None:
        self.path = path
        self.give(patience)
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bound()
            self.socket.connect(path)
        except (OSError, ValueError) as error:
            self.socket.close()
            raise self._failed(error) from error

    def __enter__(self) -> _Wire:
        return self

    def __exit__(self, *_: Any) -> None:
        self.socket.close()

    def end(self) -> None:
        """Ends the connection from another thread."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended

    def give(self, patience: float) -> None:
        """Gives so many seconds from now."""
        self.patience = patience
        self.deadline = time.monotonic() + patience

    def send(self, method: str, route: str, body: Optional[Json] = None) -> None:
        head = f"{method} {route} HTTP/1.0\r\nHost: localhost\r\n"
        sent = b""
        if body is not None:
            sent = json.dumps(body).encode()
            head += f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        try:
            self._bound()
            self.socket.sendall(head.encode() + b"\r\n" + sent)
        except OSError as error:
            raise self._failed(error) from error

    def head(self) -> Tuple[int, str]:
        """The status and the media type of the answer."""
        lines: List[bytes] = []
        while True:
            line = self.line(most=16 << 10)
            if line is None:
                raise AgentError("agent-unreachable", f"{self.path}: the connection broke off before the answer")
            if not line:
                break
            lines.append(line)
            if len(lines) > 64:
                raise self.not_an_agent("a head without an end")
        words = lines[0].split(b" ") if lines else []
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise self.not_an_agent("no HTTP")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        length = headers.get(b"content-length", b"")
        self.length = int(length) if length.isdigit() else None
        kind = headers.get(b"content-type", b"").partition(b";")[0]
        return int(words[1]), kind.decode("latin-1")

    def rest(self) -> bytes:
        """The body."""
        while self._fill():
            if len(self.buffer) > MOST:
                raise self.not_an_agent("an answer without an end")
        if self.length is not None and len(self.buffer) < self.length:
            raise AgentError("agent-unreachable", f"{self.path}: the connection broke off within the answer")
        return self.buffer

    def answer(self) -> Json:
        """The JSON that the agent answers with."""
        status, kind = self.head()
        body = self.rest()
        if status != 200:
            self.refused(status, kind, body)
        return self.decoded(body)

    def line(self, most: int = MOST) -> Optional[bytes]:
        """The next line; None at the end."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > most:
                raise self.not_an_agent("a line without an end")
            if not self._fill():
                return None
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def decoded(self, body: bytes) -> Json:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self.not_an_agent(f"no JSON ({error})") from error
        if not isinstance(answer, dict):
            raise self.not_an_agent("no JSON object")
        return answer

    def refused(self, status: int, kind: str, body: bytes) -> None:
        """Raises what a problem document (RFC 9457) says."""
        if kind != "application/problem+json":
            raise self.not_an_agent(f"the status {status}, {kind or 'of no kind'}")
        problem = self.decoded(body)
        code = str(problem.get("type", "")).rpartition(":")[2]
        retry_after = problem.get("retry_after")
        raise AgentError(code, str(problem.get("detail")), retry_after if isinstance(retry_after, int) else None)

    def not_an_agent(self, found: str) -> AgentError:
        return AgentError("not-an-agent", f"{self.path}: expected an answer of the agent, found {found}")

    def _fill(self) -> bool:
        try:
            self._bound()
            piece = self.socket.recv(1 << 16)
        except OSError as error:
            raise self._failed(error) from error
        self.buffer += piece
        return bool(piece)

    def _bound(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout()
        self.socket.settimeout(left)

    def _failed(self, error: Exception) -> AgentError:
        if isinstance(error, (socket.timeout, BlockingIOError)):
            return AgentError("agent-silent", f"{self.path}: no answer within {self.patience} seconds")
        if isinstance(error, PermissionError):
            return AgentError("socket-forbidden", f"{self.path} is not for this user")
        return AgentError("agent-unreachable", f"{self.path}: {error}: does the agent run?")


def _part(name: str) -> str:
    # A dot too: `..` alone would be another path.
    return quote(name, safe="").replace(".", "%2E")


def _told(snapshot: Snapshot) -> str:
    status = snapshot.status
    if status is None:
        return f"not known: {snapshot.error}"
    covered = "entitled" if status["entitled"] else "not entitled"
    stale = "" if snapshot.live else f" (stale: {snapshot.error})"
    return f"{status['state']}, {covered}: {status['message']}{stale}"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Asks the entitlement agent of this server.")
    parser.add_argument("--socket", default=SOCKET, help="its entitled.sock; usage.sock lies beside it")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("status", help="whether new work is covered, and why; exits with 4 where it is not")
    commands.add_parser("watch", help="each change as it happens, over restarts of the agent")
    feature = commands.add_parser("feature", help="a feature's value; exits with 1 where it is not granted")
    feature.add_argument("name")
    check = commands.add_parser("check", help="whether more of a limit may be taken; exits with 1 where not")
    check.add_argument("name")
    check.add_argument("amount", nargs="?", type=int, default=1)
    usage = commands.add_parser("usage", help="reports what is used of a limit")
    usage.add_argument("name")
    usage.add_argument("value", type=int)
    usage.add_argument("--reporter", default="entitled_client.py")
    usage.add_argument("--ttl", type=int, default=USUAL_TTL, help="seconds that it counts")
    users = commands.add_parser("users", help="reports users of a limit")
    users.add_argument("name")
    users.add_argument("user", nargs="+")
    users.add_argument("--ttl", type=int, default=USUAL_TTL, help="seconds that they count")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """The command: its exit status."""
    asked = _arguments(words)
    agent = Agent(asked.socket)
    if asked.command == "watch":
        with Client(asked.socket) as client:
            for snapshot in client.changes():
                if snapshot.status or snapshot.error:
                    print(_told(snapshot), flush=True)
    elif asked.command == "feature":
        feature = agent.feature(asked.name)
        print(json.dumps(feature["value"]))
        return 0 if _is_granted(feature["entitled"], feature["value"]) else 1
    elif asked.command == "check":
        check = agent.check_limit(asked.name, asked.amount)
        print(("allowed: " if check["allowed"] else "not allowed: ") + check["message"])
        return 0 if check["allowed"] else 1
    elif asked.command == "usage":
        agent.report_usage(asked.name, asked.value, asked.reporter, asked.ttl)
    elif asked.command == "users":
        agent.report_users(asked.name, asked.user, ttl=asked.ttl)
    else:
        status = agent.status()
        print(_told(Snapshot(status, None, True, 1)))
        return 0 if status["entitled"] else 4
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AgentError as failure:
        print(failure, file=sys.stderr)
        sys.exit(3)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
