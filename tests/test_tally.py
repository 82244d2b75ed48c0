import subprocess
import sys
from pathlib import Path

SUITE = '<testsuite tests="{}" failures="{}" errors="{}" skipped="{}" time="{}"/>'


def tally(folder, *suites):
    paths = [folder / f"{n}.xml" for n in range(len(suites))]
    for path, suite in zip(paths, suites, strict=True):
        text = f"<testsuites>{SUITE.format(*suite)}</testsuites>"
        path.write_text(text, encoding="utf-8")
    script = Path(__file__).with_name("tally.py")
    return subprocess.check_output([sys.executable, script, *paths], text=True)


def test_runs_are_added_up(tmp_path):
    assert tally(tmp_path, (10, 0, 0, 0, 1.5), (5, 0, 0, 0, 2)) == "15 passed in 3.5s\n"


def test_only_what_passed_is_called_passed(tmp_path):
    line = "3 failed, 10 passed, 2 skipped in 1.0s\n"
    assert tally(tmp_path, (10, 1, 0, 2, 0.5), (5, 0, 2, 0, 0.5)) == line
