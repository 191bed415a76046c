"""What is left out of the product image: of the Debian root below it, and of the wheels in it.

Pure: paths in, yes or no out. Called by `bases` and `wheels`; both take VERSION into their keys.
"""

import re
from typing import Final

VERSION: Final = "lean 1"
"""To be changed with the lists below, so that what was kept by older ones is made anew."""

_OF_ROOT: Final = re.compile(
    r"""
      usr/share/(doc|doc-base|man|locale|info|i18n|perl5?|lintian|bash-completion|bug|menu|common-licenses/.*~)(/|$)
    | usr/share/(zoneinfo|pixmaps|applications|gcc|gdb|keyrings|polkit-1)(/|$)   # time zones come with the wheel tzdata
    | usr/(bin|sbin)/(apt|dpkg|perl|deb|debconf|update-|adduser|deluser|pydoc|py3|localedef)[^/]*$
    | usr/bin/(x86_64|aarch64)-linux-gnu-[^/]*$
    | usr/lib/(apt|dpkg|systemd|udev|init|locale|tmpfiles\.d|sysusers\.d)(/|$)
    | usr/lib/[^/]+-linux-gnu/(gconv|perl-base|perl|security|e2fsprogs)(/|$)
    | usr/lib/[^/]+-linux-gnu/libapt-[^/]*$
    | usr/lib/python3\.\d+/(lib2to3|pydoc_data|idlelib|ensurepip|test|turtledemo)(/|$)
    | lib/(systemd|udev|init)(/|$)
    | etc/(apt|perl|systemd|init\.d|rc.\.d|cron\.[^/]+|logrotate\.d|dpkg|kernel|update-motd\.d)(/|$)
    | var/(cache|log|backups|lib/apt|lib/dpkg/info|lib/dpkg/triggers|lib/systemd)/.
    | debootstrap(/|$)
    """,
    re.VERBOSE,
)
_OF_WHEELS: Final = re.compile(
    r"""
      (^|/)(tests?|testing/_private|__pycache__)/
    | ^bin/
    | /include/
    | /(f2py|distutils)/
    | \.(pyi|pyx|pxd|pxi|c|h|a|lib)$
    """,
    re.VERBOSE,
)


def is_wanted(path: str) -> bool:
    """Whether the file or folder at `path` of the Debian root is to be in the base."""
    return _OF_ROOT.match(path.removeprefix("./")) is None


def is_wanted_of_wheel(path: str) -> bool:
    """Whether the file at `path`, relative to site-packages, is to be in the image."""
    return _OF_WHEELS.search(path) is None
