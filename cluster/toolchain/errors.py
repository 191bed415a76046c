"""What can go wrong between "I need kube-apiserver" and a path to it, told so that the reader can act.

`ToolchainError` is the one exception this package raises on purpose; its text is ready to be shown. `diagnose`
reads the last lines of a failed `go` command and says which of the few usual causes it was (a full disk is told by
`space`). Called by `build`.
"""

import re
from collections.abc import Sequence
from pathlib import Path


class ToolchainError(Exception):
    """A tool can be neither found nor built; the text says what happened and what to do."""


TAIL_LINES = 15

DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_CHECKSUM = re.compile(r"checksum mismatch|SECURITY ERROR|missing go\.sum entry")
_NETWORK = re.compile(
    r"dial tcp|no such host|i/o timeout|connection re(?:fused|set)|TLS handshake|proxyconnect|network is unreachable"
    r"|module lookup disabled|(?:reading|Get) .*https?://|x509:|unexpected EOF"
)


def diagnose(what: str, returncode: int, output: Sequence[str], log: Path) -> str:
    """The message for a `go` command that ended with `returncode` and printed `output` (whole log in `log`)."""
    text = "\n".join(output)
    tail = "\n".join(f"  {line}" for line in output[-TAIL_LINES:])
    if _CHECKSUM.search(text):
        return (
            f"{what}: a downloaded module is not the one that was pinned.\n{tail}\n"
            "Nothing was built from it. `go clean -modcache` removes a damaged download; if it comes again, "
            "what serves your modules alters them."
        )
    if _NETWORK.search(text):
        return (
            f"{what}: Go could not download what it needs.\n{tail}\n"
            "Check the network and Go's own settings (`go env GOPROXY GOFLAGS`), then run it again."
        )
    if returncode < 0 or returncode in (130, 137, 143):
        return _killed(what, returncode, log)
    return f"{what}: Go failed (exit code {returncode}).\n{tail}\nWhole output: {log}"


def _killed(what: str, returncode: int, log: Path) -> str:
    number = -returncode if returncode < 0 else returncode - 128
    hint = " The kernel does that when memory runs out (2 GB are needed)." if number == 9 else ""
    return f"{what}: Go was stopped by signal {number}.{hint} Run it again to go on. Whole output: {log}"
