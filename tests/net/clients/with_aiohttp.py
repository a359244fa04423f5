"""aiohttp's client: says everything, prints what comes back."""

import asyncio
import json
import sys

import aiohttp


async def main(url, says):
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        heard = []
        for text in says:
            await socket.send_str(text)
            heard.append((await socket.receive()).data)
        await socket.send_bytes(b"\x00\xff")
        heard.append((await socket.receive()).data)
        await socket.ping(b"?")
        await socket.close(code=1000, message=b"done")
        print(json.dumps({"heard": heard, "code": socket.close_code}))


asyncio.run(main(sys.argv[1], json.load(sys.stdin)))
