"""The app in a real browser: train, reload, stop, generate, download; and how the pages look.

Pictures of the pages are left in build/screens.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from itertools import chain

import numpy as np
import psutil
import pytest
from pages import PATIENCE

from helpers import launch, trials
from helpers.places import REPOSITORY

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
QUIET = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --disable-dev-shm-usage
    --window-size=1360,1050"""
CLICKS, GROWTH = 20, 17e6  # bytes: less than 50 MB in sixty clicks
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="Chromium and its driver are not installed"
)


def until(condition):
    """Wait for what must come; a page that is being redrawn is asked again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if found := condition():
                return found
        except webdriver.remote.errorhandler.WebDriverException:
            pass
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.1)


@pytest.fixture
def server(written):
    """The real server: its address and its process."""
    with socket.socket() as probe:
        probe.bind((launch.ADDRESS, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "helpers.launch", "--port", str(port)]
    with (written / "server.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
    yield f"http://{launch.ADDRESS}:{port}", process
    for trial in trials.listed():
        trials.stop(trial)
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def browser(tmp_path):
    """A browser that knows nothing yet and saves to a folder of the test."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in [*QUIET.split(), f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(word)
    environment = {**os.environ, "HOME": str(tmp_path)}
    service = webdriver.ChromeService(DRIVER, env=environment)
    driver = webdriver.Chrome(options=options, service=service)
    saving = {"behavior": "allow", "downloadPath": str(tmp_path)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", saving)
    yield Page(driver)
    driver.quit()


class Page:
    """What a reader sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        """Go there, as soon as the server answers."""
        until(lambda: self.driver.get(address) or self.text())

    def text(self):
        """All that can be read."""
        return self.driver.execute_script("return document.body.innerText")

    def title(self):
        """The heading of the page."""
        return self.driver.find_element("css selector", "h1").text

    def reads(self, pattern):
        """Wait for words."""
        return until(lambda: re.search(pattern, self.text()))

    def click(self, selector):
        """Wait for something, and click it once."""
        found = until(lambda: self.driver.find_elements("css selector", selector))
        for _ in range(20):
            try:
                return found[0].click()
            except webdriver.remote.errorhandler.WebDriverException:  # redrawn meanwhile
                time.sleep(0.1)
                found = self.driver.find_elements("css selector", selector) or found
        raise AssertionError(f"{selector} cannot be clicked")

    def fill(self, label, value):
        """Type into the box of that label, over what is there."""
        box = until(lambda: self.driver.find_element("css selector", f"input[aria-label={label}]"))
        until(lambda: box.is_displayed())
        box.send_keys(Keys.CONTROL, "a", Keys.NULL, str(value), Keys.ENTER)
        self.idle()

    def press(self, label):
        """Click the button that reads so."""
        button = f"//button[.//p[text()='{label}']]"
        until(lambda: not self.driver.find_element("xpath", button).click())

    def idle(self):
        """Wait until nothing is being computed."""
        busy = "[data-testid=stStatusWidget], [data-stale=true]"
        until(lambda: not self.driver.find_elements("css selector", busy))

    def kept(self, name):
        """Leave a picture of the page."""
        self.idle()
        top = "document.querySelector('[data-testid=stMain]').scrollTo(0, 0)"
        self.driver.execute_script(top)
        folder = REPOSITORY / "build" / "screens"
        folder.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(folder / f"{name}.png"))


def epoch(page):
    """The epoch that the progress bar names."""
    return int(page.reads(r"epoch (\d+) of")[1])


def test_a_training_is_followed_reloaded_stopped_and_drawn_from(server, browser, tmp_path):
    address, process = server
    browser.open(address)
    browser.click("[data-testid=stExpander] summary")
    for label, number in {"epochs": 2_000, "batch": 5_000, "generator": 8, "critic": 8}.items():
        browser.fill(label, number)
    browser.click("[data-testid=stCheckbox] label")  # do not compile
    browser.idle()
    browser.click(".st-key-start button")
    first = until(lambda: epoch(browser))
    assert until(lambda: epoch(browser) > first)
    (trial,) = trials.listed()
    assert trial in browser.driver.current_url
    asked = trials.order_of(trial)
    assert (asked.recipe.epochs, asked.recipe.generator, asked.fast) == (2_000, (8,), False)
    browser.kept("train")
    browser.driver.refresh()
    assert until(lambda: epoch(browser) > first)
    assert trials.read(trial).active
    browser.click(".st-key-stop button")
    browser.reads("Stopped early, what was learned is kept")
    assert trials.read(trial).state == "stopped"

    browser.click(".st-key-go-generate button")
    browser.reads(r"Samples \(\.npy\)")
    browser.kept("generate")
    browser.press("Samples (.npy)")
    path = until(lambda: next(tmp_path.glob("*.npy"), None))
    until(lambda: not list(tmp_path.glob("*.crdownload")))
    assert np.load(path).shape == (2_000, 2)
    memory_holds(browser, process)


def memory_holds(browser, process):
    """Many clicks on Generate must not make the server grow."""
    server = psutil.Process(process.pid)
    for count in chain(range(5), range(CLICKS)):
        if count == 0:
            before = server.memory_info().rss
        browser.click(".st-key-generate button")
        browser.idle()
    grown = server.memory_info().rss - before
    print(f"memory grew by {grown / 1e6:.1f} MB in {CLICKS} clicks")
    assert grown < GROWTH


def test_a_training_starts_from_the_page_and_every_page_shows(server, browser):
    address, _ = server
    start = time.monotonic()
    browser.open(address)
    browser.reads("Recipe to start from")
    print(f"first page after {time.monotonic() - start:.1f} s")
    browser.kept("first")
    for name in ("Generate", "Explore", "Compare", "Watch"):
        browser.click(f"a[href$='/{name.lower()}']")
        until(lambda name=name: browser.title() == name)
        browser.kept(f"{name.lower()}-empty")
        assert "Traceback" not in browser.text()
