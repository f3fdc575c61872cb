"""What the gateway is measured against: aiohttp in, aiohttp out, and nothing else. `python -m bench.speed.bare URL`."""

import asyncio
import signal
import sys

import aiohttp
import uvloop
from aiohttp import web


async def _main(upstream: str) -> None:
    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def proxy(request: web.Request) -> web.Response:
            body = await request.read()
            async with session.request(request.method, upstream + request.path, data=body) as answer:
                return web.Response(
                    status=answer.status, body=await answer.read(), headers={"content-type": answer.content_type}
                )

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", proxy)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stopped.wait()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
