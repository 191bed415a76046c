"""For every test: no event loop but those of the tests themselves, and how hard hypothesis tries.

looptime asks for the current loop even around synchronous tests, and asyncio would make one that nobody closes, a
ResourceWarning in whichever test the collector runs next.
"""

import asyncio
import os

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=5000)


def pytest_configure() -> None:
    asyncio.set_event_loop(None)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
