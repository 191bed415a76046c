"""POSTs JSON to HTTP extenders. One session a process, opened at the first call.

`consult` holds one. The HTTP client is imported at the first call too: 8 MB that a scheduler without extenders spares.
"""

import base64
import ssl
from typing import TYPE_CHECKING, Any

from understudy.scheduler.extenders import Extender, ExtenderFailed, Json

if TYPE_CHECKING:
    import aiohttp


class Http:
    """`close` it in the end."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, extender: Extender, verb: str, body: Json) -> Any:
        """The answer, decoded. Raises ExtenderFailed."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession()
        url = extender.url(verb)
        timeout = aiohttp.ClientTimeout(total=extender.timeout)
        try:
            async with self._session.post(url, json=body, timeout=timeout, **_tls(extender, url)) as answer:
                if answer.status != 200:
                    said = f"failed {verb} with extender at URL {url}, code {answer.status}"
                    raise ExtenderFailed(said)
                return await answer.json(content_type=None)
        except TimeoutError:
            raise ExtenderFailed(f'Post "{url}": no answer within {extender.timeout:g} s') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ExtenderFailed(f'Post "{url}": {error}') from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _tls(extender: Extender, url: str) -> dict[str, Any]:
    """As kube-scheduler has it: with `enableHTTPS` and no authority nobody's certificate is checked."""
    if not url.startswith("https:"):
        return {}
    tls = extender.tlsConfig
    authority = base64.b64decode(tls.caData).decode() if tls.caData else None
    context = ssl.create_default_context(cadata=authority)
    if tls.insecure or (extender.enableHTTPS and not tls.caData):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context, "server_hostname": tls.serverName or None}
