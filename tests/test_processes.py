"""Work for several processes: in order, and not outliving whoever asked for it."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from helpers import processes
from helpers.files import REPOSITORY

SLEEPS = """
import time
from helpers import processes
print(list(processes.each(time.sleep, [(0,), (0,)], 2)), flush=True)
list(processes.each(time.sleep, [(600,), (600,)], 2))
"""


def test_results_come_in_the_order_of_the_tasks():
    tasks = [(2.0, 3), (3.0, 2), (2.0, 5)]
    assert list(processes.each(pow, tasks, 2)) == [8, 9, 32]


def test_a_single_process_is_ones_own_and_stays():
    assert list(processes.each(os.getpid, [()], 1)) == [os.getpid()]


@pytest.mark.skipif(os.name == "nt", reason="processes there are asked, not killed")
def test_processes_end_with_the_one_that_was_killed():
    asks = subprocess.Popen(
        [sys.executable, "-c", SLEEPS], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert asks.stdout.readline() == "[None, None]\n"  # they are there
    children = psutil.Process(asks.pid).children(recursive=True)
    time.sleep(0.5)  # the long tasks have begun
    asks.kill()
    asks.wait()
    asks.stdout.close()
    assert children
    assert not psutil.wait_procs(children, timeout=60)[1]
