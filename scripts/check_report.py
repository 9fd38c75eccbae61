#!/usr/bin/env python3
"""Opens reports in headless Chromium, at the widths of a phone and of a desk, in light and in dark.

    python check_report.py [--chromium PATH] [--out DIR] REPORT.html ...

Fails where a page logs anything, requests anything beside itself, is wider than its window, has no text, or where its
sliders do not follow the keyboard. With --out it leaves screenshots there. Needs Python's standard library alone: it speaks
Chrome's DevTools protocol over the pipes of --remote-debugging-pipe.
"""

import argparse
import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

WIDTHS = {390: 844, 1280: 900}
SECONDS = 60


class Browser:
    def __init__(self, binary):
        # Chromium reads commands from descriptor 3 and writes to 4; the ends that it gets must not be those yet.
        read_commands, self.commands = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        self.replies, write_replies = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        self.profile = tempfile.mkdtemp()
        options = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--disable-dev-shm-usage", "--no-first-run", "--force-device-scale-factor=1"]
        options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={self.profile}"]

        def connect():
            os.dup2(read_commands, 3)
            os.dup2(write_replies, 4)

        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([binary, *options], preexec_fn=connect, close_fds=True, pass_fds=(3, 4), **quiet)
        os.close(read_commands)
        os.close(write_replies)
        self.number, self.pending, self.events = 0, b"", []

    def message(self, deadline):
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.replies], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.replies, 1 << 20) if ready else b""
            if not data:
                raise SystemExit("error: Chromium does not answer")
            self.pending += data
        text, _, self.pending = self.pending.partition(b"\0")
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + SECONDS
        while True:
            message = self.message(deadline)
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"error: {method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        deadline = time.monotonic() + SECONDS
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message(deadline))

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.profile, ignore_errors=True)


def complaints(events, url):
    """What a page logged and requested, in words."""
    for event in events:
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                requested = parameters["request"]["url"]
                if requested != url and not requested.startswith("data:"):
                    yield f"requests {requested}"
            case "Log.entryAdded":
                yield f"logs {parameters['entry']['text']}"
            case "Runtime.consoleAPICalled":
                yield f"says {[argument.get('value') for argument in parameters['args']]} on the console"
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                yield f"throws {details.get('exception', {}).get('description', details['text'])}"


def check(browser, report, width, scheme, out):
    url = report.resolve().as_uri()
    browser.events.clear()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    call = lambda method, **parameters: browser.call(method, session, **parameters)

    def value(expression):
        result = call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def press(key, code):
        for kind in ("keyDown", "keyUp"):
            call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    for domain in ("Page", "Runtime", "Log", "Network"):
        call(f"{domain}.enable")
    phone = width < 600
    size = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    call("Emulation.setDeviceMetricsOverride", **size)
    call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    call("Page.navigate", url=url)
    browser.wait_for("Page.loadEventFired")

    found = []
    if (wide := value("document.documentElement.scrollWidth")) > width:
        found.append(f"is {wide} pixels wide in a window of {width}")
    if not value("document.querySelector('h1')?.innerText.trim()"):
        found.append("has no title")
    if value("[...document.images].some((image) => !image.complete || !image.naturalWidth)"):
        found.append("has an image that does not show")
    luminance = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    if (value(luminance) < 3 * 128) != (scheme == "dark"):
        found.append(f"does not follow the {scheme} scheme")
    for index in range(value("document.querySelectorAll('.slider input').length")):
        slider = f"[...document.querySelectorAll('.slider')].filter((s) => s.querySelector('input'))[{index}]"
        shown = f"[...{slider}.querySelectorAll('.step:not([hidden])')].map((step) => step.dataset.label).join()"
        labels = value(f"[...{slider}.querySelectorAll('.step')].map((step) => step.dataset.label)")
        value(f"{slider}.querySelector('input').focus()")
        for key, code, label in (("Home", 36, labels[0]), ("ArrowRight", 39, labels[1]), ("End", 35, labels[-1])):
            press(key, code)
            said = value(f"{slider}.querySelector('output').value")
            if value(shown) != label or said != label:
                found.append(f"shows {value(shown)!r} and says {said!r} after {key}, not {label!r}")
        value("document.activeElement.blur()")
    if value("document.querySelectorAll('.plot .line[d]:not([d=\"\"])').length"):
        value("document.querySelector('.plot .canvas').scrollIntoView({block: 'center'})")
        box = value("(({left, top, width, height}) => [left + width / 2, top + height / 2])(document.querySelector('.plot .canvas').getBoundingClientRect())")
        call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        if not value("document.querySelector('.plot .legend output').value"):
            found.append("does not say the values under the pointer")
        call("Input.dispatchMouseEvent", type="mouseMoved", x=0, y=0)
        value("scrollTo(0, 0)")
    if out:
        picture = call("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": width, "height": value("document.documentElement.scrollHeight"), "scale": 1,
        })
        name = report.resolve().parent.name if report.stem == "report" else report.stem
        (out / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(picture["data"]))
    found += complaints(browser.events, url)
    browser.call("Target.closeTarget", targetId=target)
    return [f"{report} at {width} pixels, {scheme}: {complaint}" for complaint in found]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None))
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    if not options.chromium:
        raise SystemExit("error: there is no Chromium; install Debian's package chromium or name one with --chromium")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    browser = Browser(options.chromium)
    try:
        found = [complaint for report in options.reports for width in WIDTHS for scheme in ("light", "dark")
                 for complaint in check(browser, report, width, scheme, options.out)]
    finally:
        browser.close()
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
