"""The app in a real browser: train, reload, stop, generate, download; pictures in build/pages."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from itertools import chain
from urllib.parse import urlsplit

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
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # no other host is there
SENT = "Network.requestWillBeSent"
TABS = 150  # keystrokes to anything on a page
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
    for word in [*QUIET.split(), ALONE, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
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

    def reach(self, selector):
        """Go to an element by the Tab key alone; that it can be seen to have the focus."""
        at = "return document.activeElement.closest(arguments[0]) !== null"
        for _ in range(TABS):
            if self.driver.execute_script(at, selector):
                outline = "return getComputedStyle(document.activeElement).outlineStyle"
                assert self.driver.execute_script(outline) != "none"
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{selector}: not within {TABS} tabs")

    def press(self, *keys):
        """Press keys, wherever the focus is."""
        self.wait(lambda: not self.driver.switch_to.active_element.send_keys(*keys))

    def surface(self, tag):
        """Where an element of a component lies: left, top, width, height."""
        find = """for (const e of document.querySelectorAll("*")) {
            const found = e.shadowRoot && e.shadowRoot.querySelector(arguments[0]);
            if (found) { const b = found.getBoundingClientRect();
                         return b.width && [b.x, b.y, b.width, b.height]; } }"""
        seen = [None, None]  # until it rests
        while seen[-1] is None or seen[-1] != seen[-2]:
            time.sleep(0.3)
            seen.append(self.wait(lambda: self.driver.execute_script(find, tag)))
        return seen[-1]

    def mouse(self, tag, *places):
        """Press the button at the first of some places, as shares of an element, and move on."""
        left, top, width, height = self.surface(tag)
        points = [(left + x * width, top + y * height) for x, y in places]
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            event["buttons"] = int(kind != "mouseReleased")
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
        self.idle()

    def asked(self):
        """The hosts that anything was asked of, and what the console has to say."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        sent = [e["params"]["request"] for e in events if e["method"] == SENT]
        urls = [urlsplit(request["url"]) for request in sent]
        hosts = {url.hostname for url in urls if url.scheme in ("http", "https", "ws", "wss")}
        return hosts, [entry["message"] for entry in self.driver.get_log("browser")]

    def idle(self):
        """Wait until nothing is being computed, and all pictures are there."""
        busy = "[data-testid=stStatusWidget], [data-stale=true]"
        self.wait(lambda: not self.driver.find_elements("css selector", busy))
        there = "return [...document.images].every((picture) => picture.complete)"
        self.wait(lambda: self.driver.execute_script(there))

    def kept(self, name):
        """Leave pictures of the page, as a laptop and as a phone show it."""
        self.idle()
        folder = files.REPOSITORY / "build" / "pages"
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, size in (("-phone", (390, 2_400)), ("", (1_360, 1_050))):
            self.driver.set_window_size(*size)
            self.idle()
            self.driver.save_screenshot(str(folder / f"{name}{suffix}.png"))


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
    assert browser.asked() == ({main.ADDRESS}, [])  # nothing leaves this machine


def test_all_of_it_can_be_done_by_keyboard(server, browser):
    address, _ = server
    browser.wait(lambda: browser.driver.get(address) or browser.text())
    browser.reads("learns to encode each point")
    browser.reach("a[href$='/generate']")  # before anything is trained
    browser.press(Keys.ENTER)
    browser.reads("Nothing trained yet")
    browser.reach(".st-key-train-for-run button")
    browser.press(Keys.ENTER)
    browser.wait(lambda: browser.title() == "Train")
    browser.reach(".st-key-start button")
    browser.press(Keys.ENTER)
    browser.reads(r"epoch [1-9]\d* of 40")  # while it trains, a page draws from it
    browser.reach("a[href$='/generate']")
    browser.press(Keys.ENTER)
    browser.reads(r"drawn from epoch \d+|Samples \(\.npy\)")
    browser.reach(".st-key-generate button")
    browser.press(Keys.ENTER)
    seed = "input[aria-label=seed]"
    find = lambda: browser.driver.find_element("css selector", seed)  # noqa: E731
    browser.wait(lambda: find().get_attribute("value") == "1")


def test_a_target_is_drawn_and_trained_and_its_codes_are_clicked(server, browser):
    address, _ = server
    browser.wait(lambda: browser.driver.get(address) or browser.text())
    browser.click("xpath", "//button[.//p[starts-with(text(), 'draw my own')]]")
    for count, place in enumerate([(0.3, 0.4), (0.7, 0.4), (0.5, 0.7)], start=1):
        browser.mouse("img", place)
        browser.reads(f"{count} of at most 40 Gaussians")
    browser.kept("draw")
    browser.click("css selector", ".st-key-own-keep button")
    browser.click("xpath", "//button[.//p[text()='VAE']]")
    browser.click("css selector", ".st-key-start button")
    browser.reads(r"epoch [1-9]\d* of \d+")
    browser.reads("modes found: . of 3")
    browser.kept("drawn")
    browser.click("css selector", "a[href$='/explore']")
    before = browser.reads(r"decodes to \((.+)\)")[1]
    browser.mouse("img", (0.8, 0.8))
    browser.wait(lambda: browser.reads(r"decodes to \((.+)\)")[1] != before)
    browser.kept("clicked")
    assert browser.asked() == ({main.ADDRESS}, [])


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
