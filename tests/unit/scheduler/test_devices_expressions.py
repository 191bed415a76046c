"""Selectors of devices, as far as the library is there: what upstream's environment has, and what it says of errors."""

import msgspec
import pytest

from tests.unit.scheduler.devices import DRIVER, device
from understudy.scheduler.devices import expressions
from understudy.scheduler.devices.kinds import Device

HERE, GPU = f'device.attributes["{DRIVER}"]', f'device.capacity["{DRIVER}"]'
GIVEN = device("a", "40Gi", model="a100", slot=7, ok=True, v_firmware="1.10.0-rc.2")
A100 = msgspec.convert(GIVEN | {"attributes": {**GIVEN["attributes"], "other.com/numa": {"int": 1}}}, Device)

needs_library = pytest.mark.skipif(not expressions.available(), reason="the extra `cel` is not installed")


@needs_library
@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        (f'device.driver == "{DRIVER}"', True),
        (f'{HERE}.model == "a100"', True),
        (f'{HERE}.model in ["h100"]', False),
        (f'{HERE}.model.startsWith("a")', True),
        (f"{HERE}.slot > 6 && {HERE}.ok", True),
        ('device.attributes["other.com"].numa == 1', True),
        (f'"model" in {HERE}', True),
        ('"model" in device.attributes["nobody.com"]', False),
        ('has(device.attributes["nobody.com"].model)', False),
        (f"has({HERE}.model)", True),
        (f'cel.bind(own, {HERE}, own.ok && own.model == "a100")', True),
        (f'{GPU}.memory.compareTo(quantity("40Gi")) == 0', True),
        (f'{GPU}.memory == quantity("40960Mi")', True),
        (f'{GPU}.memory.isGreaterThan(quantity("40Gi"))', False),
        (f'{GPU}.memory.isLessThan(quantity("41G"))', False),
        (f'{GPU}.memory.add(quantity("1")).asInteger() == {40 * 2**30 + 1}', True),
        (f'{HERE}.firmware.compareTo(semver("1.9.0")) > 0', True),
        (f'{HERE}.firmware.isLessThan(semver("1.10.0"))', True),
        (f'{HERE}.firmware.isGreaterThan(semver("1.10.0-rc.1"))', True),
        (f'{HERE}.firmware.isLessThan(semver("1.10.0-rc.11"))', True),
        (f"{HERE}.firmware.minor() == 10", True),
    ],
)
def test_what_expressions_say(expression: str, answer: bool) -> None:
    assert expressions.matches(expression, DRIVER, A100) is answer


@needs_library
@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("1", "CEL compile error: must evaluate to bool or the unknown type, not int"),
        ("foo", "CEL compile error: "),
        (f'{HERE}.unknown == "x"', "CEL runtime error: "),
        (f"{HERE}.model", "CEL runtime error: "),
        (f'{HERE}.model.compareTo(quantity("1")) > 0', "CEL runtime error: "),
        ('quantity("x").isInteger()', "CEL runtime error: "),
    ],
)
def test_what_cannot_be_told(expression: str, error: str) -> None:
    found = expressions.matches(expression, DRIVER, A100)
    assert isinstance(found, str)
    assert found.startswith(error)


def test_without_the_library_they_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "available", lambda: False)
    expressions._compiled.cache_clear()
    found = expressions.matches("true", DRIVER, A100)
    expressions._compiled.cache_clear()
    assert isinstance(found, str)
    assert "cel-expr-python" in found
