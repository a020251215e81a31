"""Passes connections on: `relay.py LISTEN TARGET [--tls CERTIFICATE] [--delay SECONDS]`, each way so much later."""

import argparse
import asyncio
import ssl


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


async def pass_on(reader, writer, delay):
    loop = asyncio.get_running_loop()
    waiting = asyncio.Queue()

    async def deliver():
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        writer.close()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(65536):
            waiting.put_nowait((loop.time() + delay, piece))
    except OSError:
        pass
    waiting.put_nowait((loop.time() + delay, b""))
    await asyncio.gather(delivery, return_exceptions=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("listen", type=address)
    parser.add_argument("target", type=address)
    parser.add_argument("--tls")
    parser.add_argument("--delay", type=float, default=0)
    wanted = parser.parse_args()
    context = None
    if wanted.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(wanted.tls)

    async def accepted(reader, writer):
        try:
            there = await asyncio.open_connection(*wanted.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, there[1], wanted.delay), pass_on(there[0], writer, wanted.delay))

    server = await asyncio.start_server(accepted, *wanted.listen, ssl=context)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
