// What a person sees and does: a grid of samples, and the controls.
(() => {
  const IMAGES = 64, GAP = 2, DRAG = 6, PER_DIRECTION = 80;
  const $ = (id) => document.getElementById(id);
  const live = $("live");
  document.documentElement.classList.add("drawing");

  // The data of the page.
  const recording = JSON.parse($("recording").textContent);
  const { size, channels, latent, directions, conditions } = recording;
  const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  // A number in 16 bits (IEEE 754 binary16), of which there are few enough for a table.
  const halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    halves[bits] = bits & 32768 ? -magnitude : magnitude;
  }
  const networks = [...live.parentElement.querySelectorAll("script.weights")].map((element) => {
    const bytes = decoded(element.textContent), view = new DataView(bytes.buffer);
    const values = new Float32Array(recording.weights.reduce((sum, { length }) => sum + length, 0));
    let from = 0, to = 0;
    for (const { length, half } of recording.weights) {
      for (let i = 0; i < length; i++, from += half ? 2 : 4) values[to++] = half ? halves[view.getUint16(from, true)] : view.getFloat32(from, true);
    }
    element.remove();
    return values;
  });
  const pair = networks.length > 1;

  // A small generator of random numbers (Tommy Ettinger's mulberry32) by three whole numbers, hashed as in MurmurHash3.
  const random = (...key) => {
    let state = key.reduce((hash, number) => {
      hash = Math.imul(hash ^ number, 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      return (hash ^ (hash >>> 16)) >>> 0;
    }, 0x9e3779b9);
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let word = Math.imul(state ^ (state >>> 15), state | 1);
      word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
      return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
    };
  };
  // From N(0, 1), by Box and Muller; again until it is within the bound.
  const normal = (draw, bound) => {
    for (;;) {
      const value = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
      if (Math.abs(value) <= bound) return value;
    }
  };

  // The view: everything that the link holds.
  const NO_BOUND = Number($("truncation").max);
  const start = () => ({ seed: 0, truncation: NO_BOUND, class: "", move: directions.map(() => 0), mix: 1, kept: new Map(), walk: false, on: "gpu" });
  let view = start();

  const bounded = (text, least, most, otherwise) => {
    const number = Number(text);
    return text !== null && text !== "" && Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : otherwise;
  };
  const read = () => {
    const given = new URLSearchParams(location.hash.slice(1)), fresh = start();
    fresh.seed = Math.floor(bounded(given.get("seed"), 0, 4294967295, 0));
    fresh.truncation = bounded(given.get("truncation"), Number($("truncation").min), NO_BOUND, NO_BOUND);
    const classes = conditions?.classes.length ?? 0, number = bounded(given.get("class"), 0, classes - 1, -1);
    fresh.class = classes > 0 && Number.isInteger(number) && number >= 0 ? String(number) : "";
    (given.get("move") ?? "").split(",").slice(0, directions.length).forEach((text, index) => {
      fresh.move[index] = bounded(text, Number($("direction-1").min), Number($("direction-1").max), 0);
    });
    fresh.mix = bounded(given.get("mix"), 0, 1, 1);
    for (const [, image, seed] of (given.get("kept") ?? "").matchAll(/(\d{1,2}):(\d{1,10})/g)) {
      if (Number(image) < IMAGES) fresh.kept.set(Number(image), Number(seed) >>> 0);
    }
    fresh.walk = given.get("walk") === "1" && fresh.kept.size > 1;
    fresh.on = given.get("on") === "cpu" ? "cpu" : "gpu";
    return fresh;
  };
  const written = () => {
    const parts = [["seed", view.seed]];
    if (view.truncation < NO_BOUND) parts.push(["truncation", view.truncation]);
    if (view.class !== "") parts.push(["class", view.class]);
    if (view.move.some(Boolean)) parts.push(["move", view.move.map((far) => Number(far.toFixed(2))).join(",")]);
    if (pair && view.mix < 1) parts.push(["mix", view.mix]);
    if (view.kept.size) parts.push(["kept", [...view.kept].map(([image, seed]) => `${image}:${seed}`).join(",")]);
    if (view.walk) parts.push(["walk", 1]);
    if (view.on === "cpu") parts.push(["on", "cpu"]);
    return "#" + parts.map(([name, value]) => `${name}=${value}`).join("&");
  };

  // Latents and conditions of the view.
  const seedOf = (image) => view.kept.get(image) ?? view.seed;
  const own = (image) => {
    const draw = random(seedOf(image), image, 1), bound = view.truncation < NO_BOUND ? view.truncation : Infinity;
    return Float64Array.from({ length: latent }, () => normal(draw, bound));
  };
  // The way along the great circle between two latents (White 2016).
  const between = (a, b, share) => {
    const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);
    const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))));
    const weight = (part) => (Math.sin(angle) < 1e-4 ? part : Math.sin(part * angle) / Math.sin(angle));
    return a.map((value, index) => weight(1 - share) * value + weight(share) * b[index]);
  };
  const ends = () => [...view.kept.keys()].slice(-2);
  const latents = () => {
    const all = new Float32Array(IMAGES * latent), [from, to] = ends();
    const [first, last] = view.walk ? [own(from), own(to)] : [];
    for (let image = 0; image < IMAGES; image++) {
      const row = view.walk ? between(first, last, image / (IMAGES - 1)) : own(image);
      directions.forEach((direction, index) => {
        if (view.move[index]) direction.forEach((component, axis) => { row[axis] += view.move[index] * component; });
      });
      all.set(row, image * latent);
    }
    return all;
  };
  const condition = () => {
    if (!conditions) return null;
    const { classes, frequencies, features, bank } = conditions, length = classes.length + features;
    const all = new Float32Array(IMAGES * length);
    for (let image = 0; image < IMAGES; image++) {
      const source = view.walk ? ends()[0] : image, draw = random(seedOf(source), source, 2), point = draw();
      let label = view.class !== "" ? Number(view.class) : source % Math.max(classes.length, 1);
      if (view.class === "" && frequencies) {
        let rest = point * frequencies.reduce((sum, share) => sum + share, 0);
        label = frequencies.findIndex((share) => (rest -= share) < 0);
        if (label < 0) label = frequencies.length - 1;
      }
      if (classes.length) all[image * length + label] = 1;
      if (features) {
        const rows = bank.features.filter((_, row) => bank.labels[row] === label), among = rows.length ? rows : bank.features;
        all.set(among[Math.floor(draw() * among.length)], image * length + classes.length);
      }
    }
    return all;
  };

  // The grid: a button an image, with a canvas a network.
  const grid = $("grid");
  const cells = Array.from({ length: IMAGES }, (_, image) => {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.className = "sample";
    cell.tabIndex = image ? -1 : 0;
    const canvases = networks.map(() => Object.assign(document.createElement("canvas"), { width: size, height: size }));
    cell.append(...canvases);
    grid.append(cell);
    return { cell, contexts: canvases.map((canvas) => canvas.getContext("2d", { willReadFrequently: true })) };
  });
  let columns = 8;
  // The columns with which images are largest in the room that there is.
  const fit = () => {
    const alone = document.body.classList.contains("alone"), desk = matchMedia("(min-width: 60rem)").matches;
    const width = grid.clientWidth;
    const top = grid.getBoundingClientRect().top + scrollY;
    const height = alone && desk ? Math.max(innerHeight - top - 48, 280) : Math.max(0.7 * innerHeight, 280);
    const tall = networks.length;
    let best = 0;
    // Rows are whole.
    for (let across = 1; across <= IMAGES; across *= 2) {
      const down = IMAGES / across;
      const side = Math.floor(Math.min((width - (across - 1) * GAP) / across, ((height - (down - 1) * GAP) / down) / tall));
      if (side > best) [best, columns] = [side, across];
    }
    grid.style.gridTemplateColumns = `repeat(${columns}, ${Math.max(best, 8)}px)`;
  };
  const paint = (network, first, count, values) => {
    const each = size * size * channels, picture = new ImageData(size, size), half = 127.5;
    for (let image = 0; image < count; image++) {
      for (let pixel = 0; pixel < size * size; pixel++) {
        for (let colour = 0; colour < 3; colour++) {
          const value = values[image * each + pixel * channels + (channels === 3 ? colour : 0)];
          // Halves go up as they do natively; the array cuts off what is beyond its range.
          picture.data[4 * pixel + colour] = Math.floor((value + 1) * half + 0.5);
        }
        picture.data[4 * pixel + 3] = 255;
      }
      cells[first + image].contexts[network].putImageData(picture, 0, 0);
    }
  };

  // What is said: of the device for good, of an event until the next.
  let device = "";
  const state = $("state");
  const say = (text) => { state.textContent = text; };

  // The devices. Each draws images of a network: `paint` is called as they come.
  let card = null, worker = null, job = 0, losses = 0;
  // Whether the card let the page down: the view goes on wishing for one, as on other machines there may be.
  let fallen = false;
  const by = () => (fallen ? "cpu" : view.on);
  const mixed = () => (pair && view.mix < 1 ? networks[0].map((value, index) => value + view.mix * (networks[1][index] - value)) : networks[networks.length - 1]);
  const last = networks.length - 1;
  let loaded = null;
  const lost = (why) => {
    card = null;
    losses += 1;
    if (losses > 1) {
      [fallen, loaded] = [true, null];
      say(`The graphics card failed again (${why}): the processor draws now.`);
    } else {
      say(`The graphics card was lost (${why}) and is opened again.`);
    }
    stale = true;
    wish();
  };
  const onCard = async (given) => {
    if (!card) {
      $("time").textContent = "The graphics card is made ready.";
      // What goes wrong while it opens is its own error.
      const opened = await Card.open(recording, (which, why) => { if (which === card) lost(why); });
      card = opened;
      loaded = null;
      device = `WebGPU, ${card.name}`;
    }
    const used = card;
    given.began = performance.now();
    if (pair && loaded === null) used.load(0, networks[0]);
    if (loaded !== view.mix) used.load(last, mixed());
    loaded = view.mix;
    for (const network of given.wanted) {
      const values = await used.draw(network, given.latents, given.condition, IMAGES);
      if (given.id === job) paint(network, 0, IMAGES, values);
    }
  };
  const onProcessor = async (given) => {
    if (!worker) {
      const address = URL.createObjectURL(new Blob([$("loops").textContent], { type: "text/javascript" }));
      worker = new Worker(address);
      URL.revokeObjectURL(address);
      worker.postMessage({ recording });
      loaded = null;
    }
    device = "the processor";
    given.began = performance.now();
    if (loaded !== view.mix) worker.postMessage({ networks: pair ? [networks[0], mixed()] : [mixed()] });
    loaded = view.mix;
    for (const network of given.wanted) {
      await new Promise((done, fail) => {
        worker.onerror = ({ message }) => fail(new Error(message));
        worker.onmessage = ({ data }) => {
          if (data.id !== given.id) return;
          if (data.failure) return fail(new Error(data.failure));
          paint(network, data.start, data.count, data.values);
          if (data.last) done();
        };
        abandon = done;
        worker.postMessage({ id: given.id, network, latents: given.latents, condition: given.condition, images: IMAGES });
      });
      if (given.id !== job) return;
    }
  };

  // Draws the newest wish, one at a time; none while nobody looks.
  let busy = false, stale = true, abandon = () => {}, seen = "";
  const draw = async () => {
    if (busy || !stale || document.hidden) return;
    [busy, stale] = [true, false];
    live.setAttribute("aria-busy", "true");
    const id = ++job, before = losses;
    const own = JSON.stringify([view.seed, view.truncation, view.class, view.move, [...view.kept], view.walk, by(), losses]);
    // The source's images stay where only the mixture changed.
    const wanted = pair && own === seen ? [last] : networks.map((_, network) => network);
    const given = { id, wanted, latents: latents(), condition: condition() };
    try {
      await (by() === "gpu" ? onCard(given) : onProcessor(given));
      if (id === job && !stale) {
        seen = own;
        const time = performance.now() - given.began;
        $("time").textContent = `${wanted.length * IMAGES} images in ${time < 10 ? time.toFixed(1) : Math.round(time)} ms by ${device}`;
      }
    } catch (error) {
      // A card that goes says so itself, a little later or earlier.
      await new Promise((done) => setTimeout(done, 100));
      if (losses > before) {
        stale = true;
      } else if (by() === "gpu") {
        card?.close();
        [card, fallen, loaded, stale] = [null, true, null, true];
        say(`No drawing by the graphics card: ${error.message}. The processor draws instead, which takes longer.`);
      } else {
        say(`The processor cannot draw either: ${error.message}.`);
      }
      show();
    }
    busy = false;
    live.setAttribute("aria-busy", String(stale));
    if (stale) requestAnimationFrame(draw);
  };
  const wish = () => {
    stale = true;
    job += 1;
    abandon();
    live.setAttribute("aria-busy", "true");
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
    slide("truncation", view.truncation, view.truncation < NO_BOUND ? `within ${view.truncation.toFixed(2)}` : "none");
    if (pair) slide("mix", view.mix, view.mix === 0 ? "source" : view.mix === 1 ? "target" : `${Math.round(100 * view.mix)} %`);
    directions.forEach((_, index) => slide(`direction-${index + 1}`, view.move[index], view.move[index].toFixed(1)));
    if ($("class")) $("class").value = view.class;
    $("device").value = by();
    $("walk").disabled = view.kept.size < 2;
    $("walk").setAttribute("aria-pressed", String(view.walk));
    $("forget").disabled = view.kept.size === 0;
    cells.forEach(({ cell }, image) => {
      const kept = view.kept.has(image);
      cell.setAttribute("aria-pressed", String(kept));
      cell.setAttribute("aria-label", view.walk ? `Step ${image + 1} of ${IMAGES} of the walk` : `Sample ${image + 1}`);
    });
    $("link").value = location.href.split("#")[0] + written();
  };
  const changed = () => {
    history.replaceState(null, "", written());
    wish();
  };
  const change = (id, event, set) => $(id)?.addEventListener(event, () => { set(); changed(); });
  change("fresh", "click", () => { view.seed = (view.seed + 1) >>> 0; view.walk = false; });
  change("forget", "click", () => { view.kept.clear(); view.walk = false; });
  change("walk", "click", () => { view.walk = !view.walk; });
  change("reset", "click", () => { view.move.fill(0); });
  change("truncation", "input", () => { view.truncation = Number($("truncation").value); });
  change("mix", "input", () => { view.mix = Number($("mix").value); });
  change("class", "change", () => { view.class = $("class").value; });
  change("device", "change", () => { view.on = $("device").value; [fallen, losses, loaded] = [false, 0, null]; say(""); });
  directions.forEach((_, index) => {
    const id = `direction-${index + 1}`;
    change(id, "input", () => { view.move[index] = Number($(id).value); });
  });
  $("controls").addEventListener("submit", (event) => event.preventDefault());

  // A click keeps a picture; a drag moves all of them along the first two directions.
  let drag = null, dragged = false;
  const keep = (image) => {
    if (view.walk) return;
    if (view.kept.has(image)) view.kept.delete(image);
    else view.kept.set(image, view.seed);
    say(`Sample ${image + 1} is ${view.kept.has(image) ? "kept" : "no longer kept"}; ${view.kept.size} kept.`);
    changed();
  };
  cells.forEach(({ cell }, image) => cell.addEventListener("click", () => { if (!dragged) keep(image); }));
  grid.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, move: [...view.move] };
    dragged = false;
  });
  addEventListener("pointermove", (event) => {
    if (!drag || !event.isPrimary) return;
    const far = [event.clientX - drag.x, event.clientY - drag.y];
    if (!dragged && Math.hypot(...far) < DRAG) return;
    dragged = true;
    const most = Number($("direction-1").max);
    far.slice(0, directions.length).forEach((pixels, index) => {
      view.move[index] = Math.min(most, Math.max(-most, drag.move[index] + pixels / PER_DIRECTION));
    });
    changed();
  });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { drag = null; });
  grid.addEventListener("dragstart", (event) => event.preventDefault());
  grid.addEventListener("keydown", (event) => {
    const at = cells.findIndex(({ cell }) => cell === document.activeElement);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: IMAGES - 1 }[event.key];
    // The mouse's last drag says nothing of what the keyboard does.
    dragged = false;
    if (at < 0 || next === undefined || next < 0 || next >= IMAGES) return;
    event.preventDefault();
    cells[at].cell.tabIndex = -1;
    cells[next].cell.tabIndex = 0;
    cells[next].cell.focus();
  });

  // What a person takes away.
  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  $("picture").addEventListener("click", () => {
    const scale = Math.max(1, Math.floor(128 / size)), side = size * scale, tall = networks.length;
    const whole = document.createElement("canvas"), down = Math.ceil(IMAGES / columns);
    whole.width = columns * (side + GAP) - GAP;
    whole.height = down * (tall * side + GAP) - GAP;
    const context = whole.getContext("2d");
    context.imageSmoothingEnabled = false;
    cells.forEach(({ contexts }, image) => contexts.forEach(({ canvas }, network) => {
      context.drawImage(canvas, (image % columns) * (side + GAP), Math.floor(image / columns) * (tall * side + GAP) + network * side, side, side);
    }));
    whole.toBlob((blob) => save(blob, "samples.png"));
  });
  // NumPy's format, as `graft sample --latents` reads it.
  $("latents").addEventListener("click", () => {
    const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${IMAGES}, ${latent}), }`, start = 10;
    const text = header.padEnd(Math.ceil((start + header.length + 1) / 64) * 64 - start - 1) + "\n";
    const head = new Uint8Array([0x93, ..."NUMPY".split("").map((letter) => letter.charCodeAt(0)), 1, 0, text.length & 255, text.length >> 8]);
    save(new Blob([head, text, latents()]), "latents.npy");
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

  addEventListener("hashchange", () => { view = read(); wish(); });
  new ResizeObserver(fit).observe(grid);
  addEventListener("resize", fit);
  view = read();
  fit();
  wish();
})();
