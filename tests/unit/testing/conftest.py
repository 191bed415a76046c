"""No event loop but those of the tests: looptime asks for the current one even around synchronous tests, and asyncio
would make one that nobody closes, a ResourceWarning in whichever test the collector runs next."""

import asyncio

asyncio.set_event_loop(None)
