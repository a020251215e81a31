"""Asks without pause until its standard input ends, and tells every question that got no whole answer.

load.py unix PATH TARGET... or load.py tcp PORT TARGET...: a few connections are kept alive, each busy or mostly waiting; others are
made anew for every question. It speaks HTTP by itself, so that nothing is tried again behind its back.
"""

import json
import os
import socket
import sys
import threading
import time

KEPT_BUSY, KEPT_WAITING, FRESH = 8, 24, 4
PAUSE_SECONDS = 0.05
# A restart on a slow machine; a question that hangs for longer is a failed one.
PATIENCE_SECONDS = 60

kind, place, *targets = sys.argv[1:]
stop = threading.Event()
told = threading.Lock()
result = {"kept": 0, "fresh": 0, "failed": [], "longest_wait_ms": 0}


def connect():
    if kind == "unix":
        connection = socket.socket(socket.AF_UNIX)
        address = place
    else:
        connection = socket.socket()
        address = ("127.0.0.1", int(place))
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(address)
    return connection


def ask(connection, target):
    """One question and its whole answer."""
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError(f"closed after {len(received)} bytes of a head")
        received += more
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    while len(body) < length:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError(f"truncated: {len(body)} of {length} bytes")
        body += more
    if " 200 " not in lines[0]:
        raise ValueError(f"{lines[0]} {body.decode(errors='replace')}")
    if any(line.lower() == "connection: close" for line in lines):
        raise ValueError("told to close")


def account(sort, began, failure=None):
    wait = round(1000 * (time.monotonic() - began))
    with told:
        result[sort] += 1
        result["longest_wait_ms"] = max(result["longest_wait_ms"], wait)
        if failure is not None:
            result["failed"].append(f"{sort}: {type(failure).__name__} {failure}")


def keep(number):
    connection = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            connection = connection or connect()
            ask(connection, targets[number % len(targets)])
            account("kept", began)
        except (OSError, ValueError) as failure:
            account("kept", began, failure)
            connection = None
        stop.wait(0.002 if number < KEPT_BUSY else PAUSE_SECONDS * (1 + number % 7))


def renew(number):
    while not stop.is_set():
        began = time.monotonic()
        try:
            with connect() as connection:
                ask(connection, targets[number % len(targets)])
            account("fresh", began)
        except (OSError, ValueError) as failure:
            account("fresh", began, failure)
        stop.wait(0.003)


threads = [threading.Thread(target=keep, args=(n,)) for n in range(KEPT_BUSY + KEPT_WAITING)]
threads += [threading.Thread(target=renew, args=(n,)) for n in range(FRESH)]
for thread in threads:
    thread.start()
print("asking", flush=True)
os.read(0, 1)
stop.set()
for thread in threads:
    thread.join()
print(json.dumps(result))
