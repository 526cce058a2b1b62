"""Lets a port of one network be reached from another, by a socket that is a file: ``door.py SOCKET PORT``.

With a port in place of the socket, and a socket in place of the port, it is the other side.
"""

import asyncio
import sys


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(here: str, there: str) -> None:
    """Pass on whatever arrives here, until somebody ends it."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if there.isdecimal():
                far = await asyncio.open_connection("127.0.0.1", int(there))
            else:
                far = await asyncio.open_unix_connection(there)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, far[1]), _pass_on(far[0], writer))

    if here.isdecimal():
        server = await asyncio.start_server(meet, "127.0.0.1", int(here))
    else:
        server = await asyncio.start_unix_server(meet, here)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
