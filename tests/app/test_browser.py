"""The app in a real browser: train, reload, stop, generate, download; pictures in build/pages."""

import os
import re
import shutil
import socket
import subprocess
import sys
from itertools import chain

import numpy as np
import psutil
import pytest

from helpers import files
from helpers.app import jobs, main

from .support import PATIENCE, until

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Redrawn = pytest.importorskip("selenium.common.exceptions").WebDriverException
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
QUIET = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --disable-dev-shm-usage
    --window-size=1360,1050"""
CLICKS, GROWTH = 20, 17e6  # bytes: less than 50 MB in sixty clicks
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="Chromium and its driver are not installed"
)


@pytest.fixture
def server(written):
    """The real server: its address and its process."""
    with socket.socket() as probe:
        probe.bind((main.ADDRESS, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "helpers", "app", "--port", str(port)]
    with (written / "server.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=files.REPOSITORY, stdout=log, stderr=log)
    yield f"http://{main.ADDRESS}:{port}", process
    for name in jobs.listed():
        jobs.stop(name)
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def browser(tmp_path):
    """A browser that knows nothing yet and saves to a folder of the test."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in [*QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(word)
    service = webdriver.ChromeService(DRIVER, env={**os.environ, "HOME": str(tmp_path)})
    driver = webdriver.Chrome(options=options, service=service)
    saving = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", saving)
    yield Page(driver)
    driver.quit()


class Page:
    """What a reader sees and does; a page that is being redrawn is asked again."""

    def __init__(self, driver):
        self.driver = driver

    def wait(self, condition):
        def found():
            try:
                return condition()
            except Redrawn:
                return None

        return until(found)

    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    def title(self):
        return self.driver.find_element("css selector", "h1").text

    def reads(self, pattern):
        return self.wait(lambda: re.search(pattern, self.text()))

    def click(self, how, what):
        self.wait(lambda: not self.driver.find_element(how, what).click())
        self.idle()

    def fill(self, label, value):
        """Type into the field of that label, over what is there."""
        field = f"input[aria-label={label}]"
        keys = (Keys.CONTROL, "a", Keys.NULL, str(value), Keys.ENTER)
        find = lambda: self.driver.find_element("css selector", field)  # noqa: E731
        self.wait(lambda: find().is_displayed() and not find().send_keys(*keys))
        self.idle()

    def idle(self):
        """Wait until nothing is being computed."""
        busy = "[data-testid=stStatusWidget], [data-stale=true]"
        self.wait(lambda: not self.driver.find_elements("css selector", busy))

    def kept(self, name):
        """Leave a picture of the page."""
        self.idle()
        folder = files.REPOSITORY / "build" / "pages"
        folder.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(folder / f"{name}.png"))


def test_a_training_is_followed_reloaded_stopped_and_drawn_from(server, browser, tmp_path):
    address, process = server
    browser.wait(lambda: browser.driver.get(address) or browser.text())
    browser.reads("learns to encode each point")  # below the picture of what is to be learned
    browser.kept("opening")
    name = started(browser)
    first = epoch(browser)
    until(lambda: epoch(browser) > first)
    browser.kept("train")
    browser.driver.refresh()
    until(lambda: epoch(browser) > first)
    assert jobs.read(name).active
    browser.click("css selector", ".st-key-stop button")
    browser.reads("Stopped early, what was learned is kept")
    assert jobs.read(name).state == "stopped"
    browser.click("css selector", ".st-key-go-generate button")
    browser.reads(r"Samples \(\.npy\)")
    browser.kept("generate")
    browser.click("xpath", "//button[.//p[text()='Samples (.npy)']]")
    path = until(lambda: next(tmp_path.glob("*.npy"), None))
    until(lambda: not list(tmp_path.glob("*.crdownload")))
    assert np.load(path).shape == (2_000, 2)
    memory_holds(browser, psutil.Process(process.pid))
    for title in ("Explore", "Compare", "Watch"):
        browser.click("css selector", f"a[href$='/{title.lower()}']")
        browser.wait(lambda title=title: browser.title() == title)
        browser.kept(title.lower())


def started(browser):
    """The name of a job that was filled in and started, too short to be compiled."""
    browser.click("css selector", "[data-testid=stExpander] summary")
    small = {"epochs": 2_000, "batch": 5_000, "generator": 8, "discriminator": 8}
    for label, number in small.items():
        browser.fill(label, number)
    browser.click("css selector", ".st-key-start button")
    epoch(browser)
    (name,) = jobs.listed()
    assert name in browser.driver.current_url
    job = jobs.job_of(name)
    assert (job.recipe.epochs, job.recipe.generator, job.compiled) == (2_000, (8,), False)
    return name


def epoch(browser):
    """The epoch that the progress bar names."""
    return int(browser.reads(r"epoch (\d+) of 2000")[1])


def memory_holds(browser, server):
    """Many clicks on Generate must not make the server grow."""
    for count in chain(range(5), range(CLICKS)):
        if count == 0:
            before = server.memory_info().rss
        browser.click("css selector", ".st-key-generate button")
    assert server.memory_info().rss - before < GROWTH
