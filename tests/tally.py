"""Add up the reports of several pytest runs and end with one line: python tests/tally.py *.xml"""

import sys
from xml.etree import ElementTree

KINDS = ("tests", "failures", "errors", "skipped", "time")


def tally(paths: list[str]) -> str:
    """The line that pytest would have printed for all the runs together."""
    suites = [suite for path in paths for suite in ElementTree.parse(path).iter("testsuite")]
    total = {kind: sum(float(suite.get(kind, 0)) for suite in suites) for kind in KINDS}
    bad = total["failures"] + total["errors"]
    counts = {
        "failed": bad,
        "passed": total["tests"] - bad - total["skipped"],
        "skipped": total["skipped"],
    }
    parts = [f"{count:.0f} {word}" for word, count in counts.items() if count or word == "passed"]
    return f"{', '.join(parts)} in {total['time']:.1f}s"


if __name__ == "__main__":
    print(tally(sys.argv[1:]))
