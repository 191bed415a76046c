"""A run's results as one JUnit file, for CI systems to show.

ginkgo's own has the whole suite in it, thousands of tests that were not chosen. Pure. Called by `run`.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from tests.conformance.specs import Result


def document(results: Sequence[Result], seconds: float) -> bytes:
    """The file's content: a suite with a case for each test."""
    failures = sum(result.state in ("failed", "not run") for result in results)
    skipped = sum(result.state == "skipped" for result in results)
    counts = {"tests": str(len(results)), "failures": str(failures), "skipped": str(skipped), "time": f"{seconds:.1f}"}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "conformance", **counts})
    for result in results:
        _case(suite, result)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


def _case(suite: ET.Element, result: Result) -> None:
    classname = f"{result.spec.sig}.{result.spec.group}"
    attributes = {"name": result.spec.name, "classname": classname, "time": f"{result.seconds:.1f}"}
    case = ET.SubElement(suite, "testcase", attributes)
    if result.state == "skipped":
        ET.SubElement(case, "skipped", {"message": result.why})
    elif result.state != "passed":
        ET.SubElement(case, "failure", {"message": result.why or result.state, "type": result.state})
