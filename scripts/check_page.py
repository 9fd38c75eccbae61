#!/usr/bin/env python3
"""Uses pages that `graft export --format web` wrote, and reports with --live, in headless Chromium.

    python check_page.py [--chromium PATH] [--out DIR] [--graft BINARY --run RUN [--source RUN --half CHECKPOINT]] [--f32]
        [--faults] [--pixels] [--looks] PAGE.html

Fails where the page logs or requests anything, is wider than its window, has a control without a name, or where a control does not do what
it says; with --run, where pixels differ from those of `graft sample --latents` for the latents that the page saves, by more than 1 of 255
(--f32) or 3, on WebGPU or on the CPU; with --source and --half also those of the upper generator, and of the lower one half way between
both. Classes have to differ by more than 10 of 255. With --pixels, --looks or both the controls are left out. With --faults it is opened
without WebGPU, without a card, with one that refuses, fails and goes, and with a worker that ends. With --out it leaves screenshots. Needs Playwright (`pip install playwright`), which drives the system's Chromium; its WebGPU is SwiftShader.
"""

import argparse
import array
import ast
import base64
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
    btoa(String.fromCharCode(...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((_, index) => index % 4 < 3)))))"""
# What has neither a text nor a label.
NAMELESS = """() => [...document.querySelectorAll('#live button, #live input, #live select')].filter((element) =>
    !(element.getAttribute('aria-label') || element.innerText?.trim() || element.labels?.[0]?.innerText.trim())).map((element) => element.outerHTML)"""
SET = "(element, value) => { element.value = value; element.dispatchEvent(new Event('input', { bubbles: true })); }"
NO_WEBGPU = "Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined });"
NO_CARD = "GPU.prototype.requestAdapter = async () => null;"
PLAIN = NO_WEBGPU + "Object.defineProperty(window, 'isSecureContext', { get: () => false });"
REFUSES = "GPUAdapter.prototype.requestDevice = async () => { throw new Error('no device today'); };"
KEEPS = """const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) { return (window.device = await request.apply(this, given)); };"""
NO_PIPELINE = KEEPS + "GPUDevice.prototype.createComputePipelineAsync = async () => { throw new Error('no pipeline today'); };"
LOST = "() => window.device.lost.then(({ reason }) => reason)"
WORKERS = """window.workers = [];
    const Real = Worker;
    window.Worker = class extends Real { constructor(address) { super(address); window.workers.push(this); } };"""
HIDDEN = "() => { Object.defineProperty(document, 'hidden', { configurable: true, get: () => window.away }); window.away = true; }"
BACK = "() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }"

# Inputs faster than any draw, until a picture follows or a minute is over; whether it did, and how often the address was set meanwhile.
FAST = """async () => {
    const set = history.replaceState, slider = document.getElementById('direction-1'), canvas = document.querySelector('.sample canvas:last-child');
    const shown = () => canvas.toDataURL(), before = shown(), end = performance.now() + 60000;
    let addresses = 0;
    history.replaceState = function (...given) { addresses += 1; return set.apply(this, given); };
    for (let step = 0; shown() === before && performance.now() < end; step++) {
        slider.value = 1 + (step % 40) / 10;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise((done) => setTimeout(done, 10));
    }
    history.replaceState = set;
    return [shown() !== before, addresses];
}"""
# Other samples are wished for, and the old ones again as soon as the first of the others is there.
INTERRUPT = """async (link) => {
    const shown = () => document.querySelector('.sample canvas').toDataURL(), before = shown();
    document.getElementById('fresh').click();
    while (shown() === before) await new Promise(requestAnimationFrame);
    // Not the address's very text, which follows the samples later: that would be no change.
    location.hash = link.split('#')[1] + '&again';
}"""
# A pointer goes down, comes up where the page does not hear of it, and comes back.
UNHEARD = """(element) => {
    const send = (type, more) => element.dispatchEvent(new PointerEvent(type, { bubbles: true, isPrimary: true, clientX: 50, clientY: 50, ...more }));
    send('pointerdown', { button: 0, buttons: 1 });
    send('pointermove', { button: -1, buttons: 0, clientX: 250 });
}"""
# The share of the room for pictures that has some, where the page has nothing else.
FILLED = """() => {
    if (!document.body.classList.contains('alone')) return null;
    const grid = document.getElementById('grid'), top = grid.getBoundingClientRect().top + scrollY;
    const pictures = [...grid.querySelectorAll('canvas')].map((canvas) => canvas.clientWidth * canvas.clientHeight);
    return pictures.reduce((a, b) => a + b, 0) / (grid.clientWidth * (innerHeight - top - 80));
}"""
# The labels, -1 for none, or the features, of the conditions of the samples of a view.
CONDITIONS = """([conditions, view]) => {
    const draws = new Draws({ latent: 1, directions: [], conditions }, 64), classes = conditions.classes.length;
    const given = { seed: 0, class: '', kept: new Map(), walk: false, ...view }, all = [...draws.condition(given)];
    const rows = Array.from({ length: 64 }, (_, image) => all.slice(image * all.length / 64, (image + 1) * all.length / 64));
    return rows.map((row) => (conditions.features ? row.slice(classes) : row.indexOf(1)));
}"""
READ = """(fragment) => {
    const view = new Link({ images: 64, directions: 2, classes: 3, pair: false, truncation: [0.1, 3], farthest: 6, seeds: 2 ** 32 - 1 }).read(fragment);
    return { ...view, kept: [...view.kept], truncation: String(view.truncation) };
}"""


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
        """Of each sample, of each network, the bytes of red, green and blue."""
        self.settle()
        return self.present()

    def present(self):
        return [[base64.b64decode(canvas) for canvas in cell] for cell in self.page.evaluate(PIXELS)]

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
        shown = bytes(value for pixel in own for value in [pixel] * 3) if channels == 1 else own
        most = max(most, differ(pixels[image][network], shown))
    tolerance = 1 if options.f32 else 3
    print(f"{where}: pixels differ by up to {most} of 255; {page.text('time')}")
    expect(most <= tolerance, f"{where}: pixels differ by {most}, more than {tolerance}")


def check_all_pixels(page, options, folder):
    """Of the samples at first, on both devices: of each class, of the source, and half way from it; the view is as before then."""
    for device, where in {"gpu": "WebGPU", "cpu": "CPU"}.items():
        page.choose("device", device)
        check_pixels(page, options, folder, where)
        if options.source:
            check_pixels(page, options, folder, f"source, {where}", run=options.source, network=0)
        if options.half:
            page.set("mix", "0.5")
            check_pixels(page, options, folder, f"half way, {where}", run=options.half)
            page.set("mix", "1")
    if page.page.locator("#class").count():
        names, drawn = page.page.locator("#class option").all_inner_texts()[1:], []
        for index, name in enumerate(names):
            page.choose("class", str(index))
            check_pixels(page, options, folder, f"class {name}", ["--class", name])
            drawn.append(page.pixels())
        for a, b in zip(drawn, drawn[1:]):
            expect(all(differ(x[-1], y[-1]) > 10 for x, y in zip(a, b)), "classes look alike")
        page.choose("class", "")
    page.choose("device", "gpu")


def check_drawing(page):
    """What the page draws from, where chance is no matter of pixels."""
    conditions = lambda classes, more, **view: page.page.evaluate(CONDITIONS, [
        {"classes": [str(index) for index in range(classes)], "frequencies": None, "unknown": 0, "features": 0, "source": "bank", "bank": None,
         **more}, view])
    expect(conditions(3, {}) == [image % 3 for image in range(IMAGES)], "classes do not come in turn")
    expect(set(conditions(100, {}, seed=0) + conditions(100, {}, seed=1)) == set(range(100)), "of 100 classes some never come")
    expect(set(conditions(3, {"frequencies": [1, 0, 0], "unknown": 1})) == {-1}, "all are of no class, and have one")
    drawn = [label for seed in range(20) for label in conditions(3, {"frequencies": [0.5, 0, 0.5], "unknown": 0.25}, seed=seed)]
    shares = [drawn.count(label) / len(drawn) for label in (-1, 0, 1, 2)]
    # Four standard deviations of a share of 3/8 among 1,280.
    expect(all(abs(share - due) < 0.055 for share, due in zip(shares, (0.25, 0.375, 0, 0.375))), f"classes have the shares {shares}")
    expect(conditions(3, {"frequencies": [1, 0, 0], "unknown": 1}, **{"class": "2"}) == [2] * IMAGES, "the class that is asked for is not given")

    bank = {"features": [[1, 1], [1, -1], [-1, 1]], "labels": [0, 0, 1]}
    given = lambda source, bank=bank, classes=2, **view: conditions(classes, {"features": 2, "source": source, "bank": bank}, **view)
    expect(given("bank", **{"class": "1"}) == [[-1, 1]] * IMAGES, "features are of another class's rows")
    expect({tuple(row) for row in given("bank", **{"class": "0"})} == {(1, 1), (1, -1)}, "features are not the bank's rows")
    of_none = {"features": 2, "bank": {**bank, "labels": [0, None, None]}, "frequencies": [1, 0], "unknown": 1}
    expect({tuple(row) for row in conditions(2, of_none)} == {(1, -1), (-1, 1)}, "samples of no class have features of a class's rows")
    mixed = given("mix", **{"class": "0"})
    expect(all(row[0] >= 1 - 1e-6 and abs(row[0] ** 2 + row[1] ** 2 - 2) < 1e-5 for row in mixed), "mixtures leave the way between rows")
    expect(len({tuple(row) for row in mixed}) > 20, "mixtures are rows")
    # Rows (3, 0) and (-1, 0): mean 1, deviation 2; brought to +-sqrt(2), positive with probability Phi(1/2).
    far = {"features": [[3, 0], [-1, 0]], "labels": [None, None]}
    drawn = [row[0] for seed in range(40) for row in given("gaussian", far, 0, seed=seed)]
    positive = sum(value > 0 for value in drawn) / len(drawn)
    expect(abs(positive - 0.6915) < 0.037 and all(abs(abs(value) - 2 ** 0.5) < 1e-6 for value in drawn), f"the Gaussian has {positive} positive")

    view = page.page.evaluate(READ, "#seed=7&truncation=9&class=5&move=0.25,-99&kept=x3:1,103:5,4:7,5:8y,6:99999999999,64:1&walk=1&mix=0.5")
    wanted = {"seed": 7, "truncation": "Infinity", "class": "2", "move": [0.25, -6], "mix": 1, "kept": [[4, 7]], "walk": False, "on": "gpu"}
    expect(view == wanted, f"a link is read as {view}")


def check_controls(browser, file, folder, options):
    page = Page(browser, file)
    first = page.pixels()
    networks = len(first[0])
    expect(any(differ(first[0][-1], other[-1]) > 2 for other in first[1:]), "all samples are alike")
    expect(not page.page.evaluate(NAMELESS), f"controls without a name: {page.page.evaluate(NAMELESS)}")
    # What is said is heard: its place is there before, and nothing around it is called busy.
    said = page.page.locator("#state")
    expect(said.evaluate("(e) => getComputedStyle(e).display !== 'none' && !e.closest('[aria-busy]')"), "what is said is not heard")
    if options.run:
        check_all_pixels(page, options, folder)
        expect(page.pixels() == first, "after other classes and devices the samples are others")

    # Keeping, by a click and by the keyboard; others are drawn anew.
    samples = page.page.locator(".sample")
    samples.nth(3).click()
    samples.nth(3).focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("Space")
    page.settle()
    kept = '.sample[aria-pressed="true"]'
    pressed = [index for index in range(IMAGES) if samples.nth(index).get_attribute("aria-pressed") == "true"]
    expect(pressed == [3, 4], f"kept are {pressed}")
    page.click("fresh")
    second = page.pixels()
    expect(second[3] == first[3] and second[4] == first[4], "what was kept was drawn anew")
    expect(sum(second[image] != first[image] for image in range(IMAGES)) == IMAGES - 2, "new samples are the old ones")
    link = page.text("link")
    page.page.wait_for_function("(link) => location.href === link", arg=link)

    # The walk between the two, from one's picture to the other's; its steps are nothing that is kept, nor can be.
    page.click("walk")
    walked = page.pixels()
    expect(differ(walked[0][-1], first[3][-1]) <= 1 and differ(walked[-1][-1], first[4][-1]) <= 1, "the walk has other ends")
    expect(page.page.locator(".sample[aria-pressed]").count() == 0, "steps of the walk are called kept")
    samples.nth(9).click()
    expect("steps of a walk" in page.text("state") and page.pixels() == walked, "a step of the walk can be kept")
    page.click("walk")
    expect(page.pixels() == second and page.page.locator(kept).count() == 2, "after the walk the samples are others")

    # Directions: by slider, by drag, and back.
    for index in range(1, page.page.locator('input[id^="direction-"]').count() + 1):
        page.set(f"direction-{index}", "2")
        said = page.page.locator(f'output[for="direction-{index}"]').evaluate("(o) => o.value")
        expect(page.pixels() != second and said == "2.0", f"direction {index} moves nothing")
        page.click("reset")
        expect(page.pixels() == second, "the reset leaves directions")
    samples.nth(0).scroll_into_view_if_needed()
    box = samples.nth(0).bounding_box()
    page.page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 5 + 37, box["y"] + 45, steps=3)
    page.page.mouse.up()
    page.settle()
    moved = [page.page.locator(f'output[for="direction-{index}"]').evaluate("(o) => o.value") for index in (1, 2)]
    dragged, dragged_link = page.pixels(), page.text("link")
    expect(moved == ["0.5", "0.5"] and dragged != second, f"a drag of 37 and 40 pixels moves by {moved}")
    expect("move=0.46,0.5," in dragged_link, f"a drag of 37 and 40 pixels gives the link {dragged_link}")
    expect(samples.nth(0).get_attribute("aria-pressed") == "false", "a drag keeps a picture")
    # A screen reader clicks without a pointer.
    for pressed in ("true", "false"):
        samples.nth(0).evaluate("(element) => element.click()")
        expect(samples.nth(0).get_attribute("aria-pressed") == pressed, "a click after a drag does nothing")
    samples.nth(0).evaluate(UNHEARD)
    page.settle()
    expect(page.pixels() == dragged, "a drag goes on whose end was not heard")
    followed, addresses = page.page.evaluate(FAST)
    expect(followed, "while a hand moves no picture follows")
    expect(addresses == 0, f"while a hand moves the address is set {addresses} times")
    page.click("reset")
    expect(page.pixels() == second, "after all directions the samples are others")

    # Truncation.
    page.set("truncation", "0.5")
    _, data = read_npy(page.saved("latents", folder))
    expect(max(map(abs, array.array("f", data))) <= 0.5, "latents are beyond the bound")
    page.set("truncation", page.page.locator("#truncation").get_attribute("max"))

    # From source to target.
    if networks > 1:
        page.set("mix", "0")
        pixels = page.pixels()
        expect(all(differ(*cell) <= 1 for cell in pixels), "at the source the lower picture is not the upper one")
        page.set("mix", "0.5")
        half = page.pixels()
        expect(half != pixels and half != second and all(a[0] == b[0] for a, b in zip(half, pixels)), "half way is no other picture")
        # Each device has the mixture, also where the other was given it.
        page.choose("device", "cpu")
        expect(all(differ(a[-1], b[-1]) <= 1 for a, b in zip(page.pixels(), half)), "the CPU draws another mixture")
        page.set("mix", "1")
        page.choose("device", "gpu")
        expect(page.pixels() == second, "at the target the pictures are others than before")

    # What is taken away.
    picture = page.saved("picture", folder).read_bytes()
    expect(picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 1000, "the saved picture is no PNG")
    page.click("copy")
    expect(page.page.evaluate("() => navigator.clipboard.readText()") == page.text("link"), "the link was not copied")
    expect(page.text("link") == link, f"the link is {page.text('link')}, not {link}")

    # On the CPU, and back. A draw that another wish ends leaves none of its pictures.
    page.choose("device", "cpu")
    by_processor = page.pixels()
    expect(all(differ(a[-1], b[-1]) <= 1 for a, b in zip(by_processor, second)), "the CPU draws others")
    page.page.evaluate(INTERRUPT, page.text("link"))
    page.page.wait_for_timeout(50)
    expect(page.pixels() == by_processor, "a draw that was ended leaves pictures of its own")
    page.choose("device", "gpu")
    page.page.locator("#forget").focus()
    page.page.keyboard.press("Enter")
    page.settle()
    expect(page.page.locator(kept).count() == 0, "some are still kept")
    expect(page.page.evaluate("() => document.activeElement.id") == "fresh", "the keyboard's focus is lost with the button that was pressed")

    # A tab that nobody sees draws when it is seen again.
    before = page.pixels()
    page.page.evaluate(HIDDEN)
    page.page.locator("#fresh").click()
    page.page.wait_for_timeout(500)
    expect(page.present() == before, "a hidden page draws")
    page.page.evaluate(BACK)
    expect(page.pixels() != before, "a page that is seen again does not draw")

    # A browser that has had enough of addresses.
    before = page.pixels()
    page.page.evaluate("() => { history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }; }")
    page.set("direction-1", "1")
    page.page.wait_for_timeout(500)
    expect(page.pixels() != before, "without an address nothing is drawn")
    check_drawing(page)
    expect(not page.complaints, f"the page {page.complaints}")
    page.close()

    # The links restore the views.
    for address, pixels in ((link, second), (dragged_link, dragged)):
        restored = Page(browser, file, "#" + address.split("#")[1])
        expect(restored.pixels() == pixels, f"the link {address} restores another view")
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
            filled = page.page.evaluate(FILLED)
            expect(size == "phone" or filled is None or filled > 0.6, f"fills {filled} of the room on a {size}")
            if out:
                page.page.screenshot(path=out / f"{file.stem}-{size}-{scheme}.png", full_page=True)
            expect(not page.complaints, f"the page {page.complaints}")
            page.close()


def check_faults(browser, file):
    faults = {
        "no WebGPU": (NO_WEBGPU, "this browser has no WebGPU"), "plain http": (PLAIN, "plain http"), "no card": (NO_CARD, "finds no graphics card"),
        "a card that refuses": (REFUSES, "no device today"), "a card without pipelines": (NO_PIPELINE, "no pipeline today"),
    }
    for name, (before, why) in faults.items():
        page = Page(browser, file, before=before)
        expect(why in page.text("state"), f"with {name} it says {page.text('state')!r}")
        if before == NO_PIPELINE:
            expect(page.page.evaluate(LOST) == "destroyed", "a card that has failed is not given back")
        expect("The processor draws instead" in page.text("state"), f"with {name} it says {page.text('state')!r}")
        expect("processor" in page.text("time") and page.text("device") == "cpu", f"with {name} it draws by {page.text('time')}")
        expect(not page.complaints, f"with {name} the page {page.complaints}")
        page.close()
    page = Page(browser, file, before=KEEPS)
    before = page.pixels()
    page.page.evaluate("""() => {
        window.first = window.device;
        const error = new GPUOutOfMemoryError('no memory today');
        window.device.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error, cancelable: true }));
    }""")
    page.page.wait_for_timeout(500)
    expect("no memory today" in page.text("state"), f"of a card that has failed it says {page.text('state')!r}")
    expect(page.page.evaluate("() => window.first.lost.then(({ reason }) => reason)") == "destroyed", "a card that has failed is not given back")
    expect(page.pixels() == before, "a page whose card was lost draws others")
    expect("opened again" in page.text("state") and "WebGPU" in page.text("time"), f"of a lost card it says {page.text('state')!r}")
    page.page.evaluate("() => window.device.destroy()")
    page.page.wait_for_timeout(500)
    page.settle()
    expect("processor draws now" in page.text("state"), f"of a card that was lost twice it says {page.text('state')!r}")
    expect("processor" in page.text("time"), f"after two losses it draws by {page.text('time')}")
    expect(not page.complaints, f"of a lost card the page {page.complaints}")
    page.close()

    # A card that goes while the processor is chosen is missed by nobody, and opened when it is chosen again.
    page = Page(browser, file, before=KEEPS + WORKERS)
    before = page.pixels()
    page.choose("device", "cpu")
    page.page.evaluate("() => window.device.destroy()")
    page.page.wait_for_timeout(500)
    expect(page.text("state") == "" and "processor" in page.text("time"), f"of a card that nobody misses it says {page.text('state')!r}")
    page.choose("device", "gpu")
    expect(page.pixels() == before and "WebGPU" in page.text("time"), "a card that was lost before it was chosen does not draw")
    # A worker that ends is said to, and another takes its place.
    page.choose("device", "cpu")
    page.page.evaluate("""async () => {
        document.getElementById('fresh').click();
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        window.workers[0].dispatchEvent(new ErrorEvent('error', { message: 'no memory today' }));
    }""")
    page.settle()
    expect("processor cannot draw: no memory today" in page.text("state"), f"of a worker that has ended it says {page.text('state')!r}")
    page.click("fresh")
    expect(page.page.evaluate("() => window.workers.length") == 2 and page.pixels() != before, "a worker that has ended is kept")
    expect(not page.complaints, f"of a lost worker the page {page.complaints}")
    page.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None))
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--graft")
    parser.add_argument("--run")
    parser.add_argument("--source", help="the run of the generator that stands above")
    parser.add_argument("--half", help="a checkpoint half way between both")
    parser.add_argument("--f32", action="store_true")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--pixels", action="store_true", help="compare pixels, and use no control")
    parser.add_argument("--looks", action="store_true", help="look at it, and use no control")
    parser.add_argument("page", type=pathlib.Path)
    options = parser.parse_args()
    if not options.chromium:
        raise SystemExit("error: there is no Chromium; install Debian's package chromium or name one with --chromium")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=ARGUMENTS)
        if options.pixels:
            page = Page(browser, options.page)
            check_all_pixels(page, options, pathlib.Path(folder))
            expect(not page.complaints, f"the page {page.complaints}")
            page.close()
        if not options.pixels and not options.looks:
            check_controls(browser, options.page, pathlib.Path(folder), options)
        if options.looks or not options.pixels:
            check_looks(browser, options.page, options.out)
        if options.faults:
            check_faults(browser, options.page)
        browser.close()
    print(f"{options.page} is as it should be")


if __name__ == "__main__":
    sys.exit(main())
