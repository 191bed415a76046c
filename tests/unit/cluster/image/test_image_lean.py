"""What the image leaves out, and above all what it keeps."""

import pytest

from understudy.cluster.image.lean import is_wanted, is_wanted_of_wheel


@pytest.mark.parametrize(
    "path",
    [
        "./usr/share/doc/python3/README",
        "./usr/share/locale/de/LC_MESSAGES/apt.mo",
        "./usr/bin/perl5.36.0",
        "./usr/bin/apt-get",
        "./usr/lib/x86_64-linux-gnu/perl-base/strict.pm",
        "./usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
        "./usr/lib/python3.11/lib2to3/main.py",
        "./var/cache/debconf/config.dat",
        "./debootstrap/debootstrap.log",
    ],
)
def test_of_the_root_what_only_an_administrator_needs_goes(path: str) -> None:
    assert not is_wanted(path)


@pytest.mark.parametrize(
    "path",
    [
        "./usr/bin/python3.11",
        "./usr/sbin/nft",
        "./usr/bin/env",
        "./bin/sh",
        "./usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt",
        "./etc/ssl/certs/ca-certificates.crt",
        "./usr/lib/x86_64-linux-gnu/libnftables.so.1",
        "./usr/lib/python3.11/unittest/mock.py",
        "./usr/lib/python3.11/distutils/core.py",
        "./var/lib/dpkg/status",
        "./usr/share/common-licenses/GPL-2",
        "./etc/passwd",
        "./tmp",
        "./var/log",
    ],
)
def test_of_the_root_what_python_nft_and_scanners_need_stays(path: str) -> None:
    assert is_wanted(path)


@pytest.mark.parametrize(
    "path",
    [
        "numpy/_core/tests/test_api.py",
        "bin/f2py",
        "numpy/_core/include/numpy/ndarraytypes.h",
        "aiohttp/_http_parser.pyx",
    ],
)
def test_of_a_wheel_what_is_for_developers_goes(path: str) -> None:
    assert not is_wanted_of_wheel(path)


@pytest.mark.parametrize(
    "path",
    [
        "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so",
        "numpy/testing/__init__.py",
        "numpy-2.4.6.dist-info/licenses/LICENSE.txt",
        "kopf/_core/intents/handlers.py",
        "attr/py.typed",
        "tzdata/zoneinfo/Europe/Vienna",
    ],
)
def test_of_a_wheel_what_runs_stays(path: str) -> None:
    assert is_wanted_of_wheel(path)
