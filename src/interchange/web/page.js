// What a person sees and does: the data of the page, the drawing of the newest wish, and the controls.
(() => {
  const IMAGES = 64, DRAG = 6, PER_DIRECTION = 80, SECOND = 1000;
  const $ = (id) => document.getElementById(id);
  const live = $("live");
  document.documentElement.classList.add("drawing");

  // The data of the page.
  const recording = JSON.parse($("recording").textContent);
  const { latent, directions, conditions } = recording;
  const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  // A number in 16 bits (IEEE 754 binary16), of which there are few enough for a table.
  const halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    halves[bits] = bits & 32768 ? -magnitude : magnitude;
  }
  const networks = [...live.parentElement.querySelectorAll("script.weights")].map((element) => {
    const bytes = decoded(element.textContent), data = new DataView(bytes.buffer);
    const values = new Float32Array(recording.weights.reduce((sum, { length }) => sum + length, 0));
    let from = 0, to = 0;
    for (const { length, half } of recording.weights) {
      for (let i = 0; i < length; i++, from += half ? 2 : 4) values[to++] = half ? halves[data.getUint16(from, true)] : data.getFloat32(from, true);
    }
    element.remove();
    return values;
  });
  const last = networks.length - 1, pair = last > 0;

  const draws = new Draws(recording, IMAGES);
  const grid = new Grid($("grid"), recording, networks.length, IMAGES);
  const unbounded = Number($("truncation").max), farthest = Number($("direction-1").max);
  const link = new Link({
    images: IMAGES, directions: directions.length, classes: conditions?.classes.length ?? 0, pair,
    truncation: [Number($("truncation").min), unbounded], farthest, seeds: 2 ** 32 - 1,
  });
  let view = link.read(location.hash);

  const say = (text) => { $("state").textContent = text; };

  // The devices, once they are open. What each was given last stays with it: `mix`, the mixture in its last network.
  const devices = { gpu: null, cpu: null };
  // Whether the card let the page down: the view goes on wishing for one, as on other machines there may be.
  let fallen = false, losses = 0;
  const by = () => (fallen ? "cpu" : view.on);
  const open = async (kind) => {
    if (kind === "cpu") return new Processor(recording, $("loops").textContent);
    $("time").textContent = "The graphics card is made ready.";
    // What goes wrong while it opens is its own error.
    return Card.open(recording, (which, why) => { if (which === devices.gpu) lost(why); });
  };
  const load = (device) => {
    const mixed = () => (view.mix < 1 ? mixture(networks[0], networks[last], view.mix) : networks[last]);
    if (pair && device.mix === undefined) device.load(0, networks[0]);
    if (device.mix !== view.mix) device.load(last, mixed());
    device.mix = view.mix;
  };
  const lost = (why) => {
    devices.gpu = null;
    // Nobody misses it where the processor draws; another is opened when it is chosen again.
    if (by() !== "gpu") return;
    losses += 1;
    fallen = losses > 1;
    say(fallen ? `The graphics card failed again (${why}): the processor draws now.` : `The graphics card was lost (${why}) and is opened again.`);
    wish();
  };
  const failed = (kind, why) => {
    devices[kind]?.close();
    devices[kind] = null;
    if (kind !== by()) return;
    if (kind === "cpu") return say(`The processor cannot draw${fallen ? " either" : ""}: ${why}.`);
    fallen = true;
    say(`No drawing by the graphics card: ${why}. The processor draws instead, which takes longer.`);
    wish();
  };

  // Draws the newest wish, one at a time; none while nobody looks. `above` is what the source's pictures show.
  let busy = false, stale = true, above = "";
  const draw = async () => {
    if (busy || !stale || document.hidden) return;
    [busy, stale] = [true, false];
    const kind = by(), before = losses;
    try {
      devices[kind] ??= await open(kind);
      await drawBy(devices[kind], kind);
    } catch (error) {
      // A card that goes says so itself, a little later or earlier.
      await new Promise((done) => setTimeout(done, SECOND / 10));
      if (losses === before) failed(kind, error.message);
    }
    busy = false;
    $("grid").setAttribute("aria-busy", String(stale));
    if (stale) requestAnimationFrame(draw);
  };
  const drawBy = async (device, kind) => {
    const own = JSON.stringify([view.seed, view.truncation, view.class, view.move, [...view.kept], view.walk, kind, losses]);
    // The source's pictures stay where only the mixture changed.
    const wanted = pair && own === above ? [last] : [...networks.keys()];
    if (own !== above) above = "";
    const latents = draws.latents(view), condition = draws.condition(view), began = performance.now();
    load(device);
    for (let first = 0; first < IMAGES; first += device.images) {
      const part = (values) => values && values.slice((first / IMAGES) * values.length, ((first + device.images) / IMAGES) * values.length);
      // A part is shown also where another view is wished for by now: under a hand that moves pictures follow as fast as they can.
      for (const network of wanted) {
        const values = await device.draw(network, part(latents), part(condition));
        if (by() !== kind) return;
        grid.paint(network, first, device.images, values);
      }
      if (stale && first + device.images < IMAGES) return;
    }
    above = own;
    const time = performance.now() - began;
    $("time").textContent = `${wanted.length * IMAGES} images in ${time < 10 ? time.toFixed(1) : Math.round(time)} ms by ${device.name}`;
  };
  const wish = () => {
    stale = true;
    $("grid").setAttribute("aria-busy", "true");
    show();
    requestAnimationFrame(draw);
  };
  document.addEventListener("visibilitychange", draw);

  // The controls say what the view is.
  const outputs = Object.fromEntries([...live.querySelectorAll("output[for]")].map((output) => [output.htmlFor.toString(), output]));
  const show = () => {
    const slide = (id, value, text) => {
      $(id).value = value;
      outputs[id].value = text;
      $(id).setAttribute("aria-valuetext", text);
    };
    slide("truncation", Math.min(view.truncation, unbounded), view.truncation < unbounded ? `within ${view.truncation.toFixed(2)}` : "none");
    if (pair) slide("mix", view.mix, view.mix === 0 ? "source" : view.mix === 1 ? "target" : `${Math.round(100 * view.mix)} %`);
    directions.forEach((_, index) => slide(`direction-${index + 1}`, view.move[index], view.move[index].toFixed(1)));
    if ($("class")) $("class").value = view.class;
    $("device").value = by();
    const enable = (id, on) => {
      // What is switched off under the keyboard's focus would lose it to nowhere.
      if (!on && document.activeElement === $(id)) $("fresh").focus();
      $(id).disabled = !on;
    };
    enable("walk", view.kept.size > 1);
    enable("forget", view.kept.size > 0);
    $("walk").setAttribute("aria-pressed", String(view.walk));
    grid.label(view);
    $("link").value = location.href.split("#")[0] + link.write(view);
  };
  // The address follows once the hand rests: browsers delay or refuse what changes it many times a second.
  let following = 0;
  const follow = () => {
    try {
      history.replaceState(null, "", link.write(view));
    } catch {
      // The field has the link; the address follows with the next change.
    }
  };
  const changed = () => {
    wish();
    clearTimeout(following);
    following = setTimeout(follow, 0.3 * SECOND);
  };
  const change = (id, event, set) => $(id)?.addEventListener(event, () => { set(); changed(); });
  change("fresh", "click", () => { view.seed = (view.seed + 1) >>> 0; view.walk = false; });
  change("forget", "click", () => { view.kept.clear(); view.walk = false; });
  change("walk", "click", () => { view.walk = !view.walk; });
  change("reset", "click", () => { view.move.fill(0); });
  change("truncation", "input", () => {
    const bound = Number($("truncation").value);
    view.truncation = bound < unbounded ? bound : Infinity;
  });
  change("mix", "input", () => { view.mix = Number($("mix").value); });
  change("class", "change", () => { view.class = $("class").value; });
  change("device", "change", () => { view.on = $("device").value; [fallen, losses] = [false, 0]; say(""); });
  directions.forEach((_, index) => {
    const id = `direction-${index + 1}`;
    change(id, "input", () => { view.move[index] = Number($(id).value); });
  });
  $("controls").addEventListener("submit", (event) => event.preventDefault());

  // A click keeps a picture; a drag moves all of them along the first two directions.
  let drag = null, dragged = false;
  const keep = (image) => {
    if (view.walk) return say("These are steps of a walk: end it to keep pictures.");
    if (view.kept.has(image)) view.kept.delete(image);
    else view.kept.set(image, view.seed);
    say(`Sample ${image + 1} is ${view.kept.has(image) ? "kept" : "no longer kept"}; ${view.kept.size} kept.`);
    changed();
  };
  grid.cells.forEach(({ cell }, image) => cell.addEventListener("click", () => { if (!dragged) keep(image); }));
  $("grid").addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, move: [...view.move] };
    dragged = false;
  });
  addEventListener("pointermove", (event) => {
    if (!drag || !event.isPrimary) return;
    // It ended where this page did not hear of it.
    if (!(event.buttons & 1)) return release();
    const far = [event.clientX - drag.x, event.clientY - drag.y];
    if (!dragged && Math.hypot(...far) < DRAG) return;
    dragged = true;
    far.slice(0, directions.length).forEach((pixels, index) => {
      const to = Math.min(farthest, Math.max(-farthest, drag.move[index] + pixels / PER_DIRECTION));
      // As far as the link says, which would restore another view else.
      view.move[index] = Math.round(100 * to) / 100;
    });
    changed();
  });
  const release = () => {
    drag = null;
    // The click that ends a drag comes at once; a later one, as of a screen reader, is none of its.
    setTimeout(() => { dragged = false; });
  };
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release);
  $("grid").addEventListener("dragstart", (event) => event.preventDefault());

  // What a person takes away.
  const save = (blob, name) => {
    const anchor = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10 * SECOND);
  };
  $("picture").addEventListener("click", () => grid.picture().toBlob((blob) => save(blob, "samples.png")));
  // NumPy's format, as `graft sample --latents` reads it.
  $("latents").addEventListener("click", () => {
    const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${IMAGES}, ${latent}), }`, start = 10;
    const text = header.padEnd(Math.ceil((start + header.length + 1) / 64) * 64 - start - 1) + "\n";
    const head = new Uint8Array([0x93, ..."NUMPY".split("").map((letter) => letter.charCodeAt(0)), 1, 0, text.length & 255, text.length >> 8]);
    save(new Blob([head, text, draws.latents(view)]), "latents.npy");
  });
  $("copy").addEventListener("click", async () => {
    const field = $("link");
    try {
      await navigator.clipboard.writeText(field.value);
      say("The link is copied.");
    } catch {
      field.focus();
      field.select();
      say("The link is selected: copy it.");
    }
  });

  addEventListener("hashchange", () => {
    clearTimeout(following);
    view = link.read(location.hash);
    wish();
  });
  grid.fit();
  wish();
})();
