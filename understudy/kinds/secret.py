"""Secrets, as far as the token controllers read them, and who mounts them (k8s.io/api core/v1/types.go).

Of a Secret's data only the entries of tokens are decoded: what else Secrets hold never enters this process' memory.
"""

from base64 import b64decode
from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
"""Annotations of an account's token: whose it is."""


class SecretData(Struct, gc=False, frozen=True):
    """In base64, as it came."""

    ca: str | None = field(name="ca.crt", default=None)
    namespace: str | None = None
    token: str | None = None
    token_id: str | None = field(name="token-id", default=None)
    token_secret: str | None = field(name="token-secret", default=None)
    expiration: str | None = None
    signing: str | None = field(name="usage-bootstrap-signing", default=None)


_NO_DATA = SecretData()


class Secret(Obj, gc=False):
    type: str = ""
    data: SecretData | None = None

    def text(self, entry: str) -> str:
        """An entry of its data, decoded; "" if there is none. Broken characters are replaced."""
        return b64decode(getattr(self.data or _NO_DATA, entry) or "").decode(errors="replace")


SECRETS = Kind("v1", "secrets", "Secret", Secret)


class MountingPod(Obj, gc=False):
    """A Pod with its spec as it came: Secrets are named in many places of it."""

    spec: dict[str, Any] = {}


MOUNTING_PODS = Kind("v1", "pods", "Pod", MountingPod)
"""To be listed from the server, never watched."""
