#!/usr/bin/env python3
"""Uses pages that `graft export --format web` wrote, and reports with --live, in headless Chromium.

    python check_page.py [--chromium PATH] [--out DIR] [--graft BINARY --run RUN [--source RUN]] [--f32] [--faults] PAGE.html

Fails where the page logs or requests anything, is wider than its window, has a control without a name, or where a control does not do what
it says; with --run, where pixels differ from those of `graft sample --latents` for the latents that the page saves, by more than 1 of 255
(--f32) or 3, on WebGPU or on the CPU. With --faults it is opened without WebGPU, without a card, with one that refuses and with one that goes.
With --out it leaves screenshots. Needs Playwright (`pip install playwright`), which drives the system's Chromium; its WebGPU is SwiftShader.
"""

import argparse
import array
import ast
import pathlib
import shutil
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

SIZES = {"phone": (390, 844), "desk": (1280, 900)}
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
MILLISECONDS = 180_000
IMAGES = 64

PIXELS = """() => [...document.querySelectorAll('.sample')].map((cell) => [...cell.querySelectorAll('canvas')].map((canvas) =>
    [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].filter((_, index) => index % 4 < 3)))"""
# What has neither a text nor a label.
NAMELESS = """() => [...document.querySelectorAll('#live button, #live input, #live select')].filter((element) =>
    !(element.getAttribute('aria-label') || element.innerText?.trim() || element.labels?.[0]?.innerText.trim())).map((element) => element.outerHTML)"""
SET = "(element, value) => { element.value = value; element.dispatchEvent(new Event('input', { bubbles: true })); }"
NO_WEBGPU = "Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });"
NO_CARD = "GPU.prototype.requestAdapter = async () => null;"
REFUSES = "GPUAdapter.prototype.requestDevice = async () => { throw new Error('no device today'); };"
KEEPS = """const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) { return (window.device = await request.apply(this, given)); };"""
HIDDEN = "() => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away }); window.away = true; }"
BACK = "() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }"


def read_npy(path):
    """The shape of an array and its bytes."""
    data = pathlib.Path(path).read_bytes()
    end = 10 + int.from_bytes(data[8:10], "little")
    return ast.literal_eval(data[10:end].decode().strip())["shape"], data[end:]


class Page:
    """A page that notes down what it logs, and what it asks for."""

    def __init__(self, browser, file, fragment="", size="desk", scheme="light", before=""):
        width, height = SIZES[size]
        phone = size == "phone"
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=phone, accept_downloads=True,
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(MILLISECONDS)
        self.complaints = []
        url = file.resolve().as_uri()
        self.page.on("console", lambda message: self.complaints.append(f"logs {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"throws {error}"))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"opens {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: request.url.split("#")[0] == url or request.url.startswith(("blob:", "data:"))
                     or self.complaints.append(f"requests {request.url}"))
        if before:
            self.page.add_init_script(before)
        self.page.goto(url + fragment)
        self.settle()

    def settle(self):
        self.page.locator('#grid[aria-busy="false"]').wait_for()

    def pixels(self):
        self.settle()
        return self.page.evaluate(PIXELS)

    def click(self, name):
        self.page.locator(f"#{name}").click()
        self.settle()

    def set(self, name, value):
        self.page.locator(f"#{name}").evaluate(SET, value)
        self.settle()

    def choose(self, name, value):
        self.page.locator(f"#{name}").select_option(value)
        self.settle()

    def text(self, name):
        return self.page.locator(f"#{name}").evaluate("(element) => element.value ?? element.textContent")

    def saved(self, name, folder):
        with self.page.expect_download() as download:
            self.page.locator(f"#{name}").click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def close(self):
        self.context.close()


def differ(a, b):
    """The largest difference of two lists of pixels."""
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a, b))


def expect(truth, what):
    if not truth:
        raise SystemExit(f"error: {what}")


def check_pixels(page, options, folder, where, arguments=(), run=None, network=-1):
    """A network's pixels, the last one's, against graft's own, for the latents that the page saves."""
    pixels = page.pixels()
    latents = page.saved("latents", folder)
    out = folder / f"{where}.npy"
    subprocess.run([options.graft, "sample", run or options.run, "--latents", latents, "--format", "npy", "--out", out, "-q", *arguments],
                   check=True, stdout=subprocess.DEVNULL)
    (count, height, width, channels), native = read_npy(out)
    out.unlink()
    expect(count == IMAGES, f"graft made {count} images")
    each, most = height * width * channels, 0
    for image in range(count):
        own = native[image * each:][:each]
        shown = [value for pixel in own for value in [pixel] * 3] if channels == 1 else list(own)
        most = max(most, differ(pixels[image][network], shown))
    tolerance = 1 if options.f32 else 3
    print(f"{where}: pixels differ by up to {most} of 255; {page.text('time')}")
    expect(most <= tolerance, f"{where}: pixels differ by {most}, more than {tolerance}")


def check_controls(browser, file, folder, options):
    page = Page(browser, file)
    first = page.pixels()
    networks = len(first[0])
    expect(any(differ(first[0][-1], other[-1]) > 2 for other in first[1:]), "all samples are alike")
    expect(not page.page.evaluate(NAMELESS), f"controls without a name: {page.page.evaluate(NAMELESS)}")
    if options.run:
        check_pixels(page, options, folder, "WebGPU")
    if options.source:
        check_pixels(page, options, folder, "source", run=options.source, network=0)

    # Keeping, by a click and by the keyboard; others are drawn anew.
    samples = page.page.locator(".sample")
    samples.nth(3).click()
    samples.nth(3).focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Space")
    page.settle()
    pressed = [index for index in range(IMAGES) if samples.nth(index).get_attribute("aria-pressed") == "true"]
    expect(pressed == [3, 4], f"kept are {pressed}")
    page.click("fresh")
    second = page.pixels()
    expect(second[3] == first[3] and second[4] == first[4], "what was kept was drawn anew")
    expect(sum(second[image] != first[image] for image in range(IMAGES)) == IMAGES - 2, "new samples are the old ones")
    link = page.text("link")

    # The walk between the two.
    page.click("walk")
    walked = page.pixels()
    expect(differ(walked[0][-1], first[3][-1]) <= 1 and differ(walked[-1][-1], first[4][-1]) <= 1, "the walk has other ends")
    page.click("walk")
    expect(page.pixels() == second, "after the walk the samples are others")

    # Directions: by slider, by drag, and back.
    page.set("direction-3", "2")
    expect(page.pixels() != second and page.page.locator('output[for="direction-3"]').evaluate("(o) => o.value") == "2.0", "direction 3 moves nothing")
    page.click("reset")
    expect(page.pixels() == second, "the reset leaves directions")
    samples.nth(0).scroll_into_view_if_needed()
    box = samples.nth(0).bounding_box()
    page.page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 85, box["y"] + 45, steps=3)
    page.page.mouse.up()
    page.settle()
    moved = [page.text("direction-1"), page.text("direction-2")]
    expect(moved == ["1", "0.5"] and page.pixels() != second, f"a drag of 80 and 40 pixels moves by {moved}")
    expect(samples.nth(0).get_attribute("aria-pressed") == "false", "a drag keeps a picture")
    page.click("reset")

    # Truncation.
    page.set("truncation", "0.5")
    _, data = read_npy(page.saved("latents", folder))
    expect(max(map(abs, array.array("f", data))) <= 0.5, "latents are beyond the bound")
    page.set("truncation", page.page.locator("#truncation").get_attribute("max"))

    # Classes by name.
    if page.page.locator("#class").count():
        names = page.page.locator("#class option").all_inner_texts()
        page.choose("class", str(len(names) - 2))
        if options.run:
            check_pixels(page, options, folder, f"class {names[-1]}", ["--class", names[-1]])
        page.choose("class", "")

    # From source to target.
    if networks > 1:
        page.set("mix", "0")
        pixels = page.pixels()
        expect(all(differ(*cell) <= 1 for cell in pixels), "at the source the lower picture is not the upper one")
        page.set("mix", "0.5")
        half = page.pixels()
        expect(half != pixels and half != second and all(a[0] == b[0] for a, b in zip(half, pixels)), "half way is no other picture")
        page.set("mix", "1")
        expect(page.pixels() == second, "at the target the pictures are others than before")

    # What is taken away.
    picture = page.saved("picture", folder).read_bytes()
    expect(picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 1000, "the saved picture is no PNG")
    page.click("copy")
    expect(page.page.evaluate("() => navigator.clipboard.readText()") == page.text("link"), "the link was not copied")
    expect(page.text("link") == link, f"the link is {page.text('link')}, not {link}")

    # On the CPU, and back.
    page.choose("device", "cpu")
    expect(all(differ(a[-1], b[-1]) <= 1 for a, b in zip(page.pixels(), second)), "the CPU draws others")
    if options.run:
        check_pixels(page, options, folder, "CPU")
    page.choose("device", "gpu")
    page.click("forget")
    expect(page.page.locator('.sample[aria-pressed="true"]').count() == 0, "some are still kept")

    # A tab that nobody sees draws when it is seen again.
    before = page.pixels()
    page.page.evaluate(HIDDEN)
    page.page.locator("#fresh").click()
    page.page.wait_for_timeout(500)
    expect(page.page.evaluate(PIXELS) == before, "a hidden page draws")
    page.page.evaluate(BACK)
    expect(page.pixels() != before, "a page that is seen again does not draw")
    expect(not page.complaints, f"the page {page.complaints}")
    page.close()

    # The link restores the view.
    restored = Page(browser, file, "#" + link.split("#")[1])
    expect(restored.pixels() == second, "the link restores another view")
    expect(not restored.complaints, f"the page {restored.complaints}")
    restored.close()


def check_looks(browser, file, out):
    for size in SIZES:
        for scheme in ("light", "dark"):
            # By the processor: what is looked at does not depend on it.
            page = Page(browser, file, "#on=cpu", size, scheme)
            width = page.page.evaluate("() => document.documentElement.scrollWidth")
            expect(width <= SIZES[size][0], f"is {width} pixels wide on a {size}")
            colour = page.page.evaluate("() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)")
            expect((colour < 3 * 128) == (scheme == "dark"), f"does not follow the {scheme} scheme")
            if out:
                page.page.screenshot(path=out / f"{file.stem}-{size}-{scheme}.png", full_page=True)
            expect(not page.complaints, f"the page {page.complaints}")
            page.close()


def check_faults(browser, file):
    for name, before in {"no WebGPU": NO_WEBGPU, "no card": NO_CARD, "a card that refuses": REFUSES}.items():
        page = Page(browser, file, before=before)
        expect("The processor draws instead" in page.text("state"), f"with {name} it says {page.text('state')!r}")
        expect("processor" in page.text("time") and page.text("device") == "cpu", f"with {name} it draws by {page.text('time')}")
        expect(not page.complaints, f"with {name} the page {page.complaints}")
        page.close()
    page = Page(browser, file, before=KEEPS)
    before = page.pixels()
    page.page.evaluate("() => window.device.destroy()")
    page.page.wait_for_timeout(500)
    expect(page.pixels() == before, "a page whose card was lost draws others")
    expect("opened again" in page.text("state") and "WebGPU" in page.text("time"), f"of a lost card it says {page.text('state')!r}")
    page.page.evaluate("() => window.device.destroy()")
    page.page.wait_for_timeout(500)
    page.settle()
    expect("processor draws now" in page.text("state"), f"of a card that was lost twice it says {page.text('state')!r}")
    expect("processor" in page.text("time"), f"after two losses it draws by {page.text('time')}")
    expect(not page.complaints, f"of a lost card the page {page.complaints}")
    page.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None))
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--graft")
    parser.add_argument("--run")
    parser.add_argument("--source", help="the run of the generator that stands above")
    parser.add_argument("--f32", action="store_true")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--looks", action="store_true", help="look at it alone")
    parser.add_argument("page", type=pathlib.Path)
    options = parser.parse_args()
    if not options.chromium:
        raise SystemExit("error: there is no Chromium; install Debian's package chromium or name one with --chromium")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGUMENTS)
        if not options.looks:
            check_controls(browser, options.page, pathlib.Path(folder), options)
        check_looks(browser, options.page, options.out)
        if options.faults:
            check_faults(browser, options.page)
        browser.close()
    print(f"{options.page} is as it should be")


if __name__ == "__main__":
    sys.exit(main())
