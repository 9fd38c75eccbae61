"use strict";
document.documentElement.classList.add("scripted");

for (const slider of document.querySelectorAll(".slider")) {
  const [button, input, output] = ["button", "input", "output"].map((tag) => slider.querySelector(tag));
  if (!input) continue;
  const steps = [...slider.querySelectorAll(".step")];
  let timer = null;
  const show = () => {
    const at = Number(input.value);
    steps.forEach((step, index) => { step.hidden = index !== at; });
    output.value = steps[at].dataset.label;
    input.setAttribute("aria-valuetext", output.value);
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  };
  const advance = () => {
    input.value = Number(input.value) + 1;
    show();
    if (Number(input.value) === steps.length - 1) pause();
  };
  input.addEventListener("input", () => { pause(); show(); });
  button.addEventListener("click", () => {
    if (timer !== null) return pause();
    if (Number(input.value) === steps.length - 1) { input.value = 0; show(); }
    timer = setInterval(advance, 350);
    button.textContent = "Pause";
  });
  show();
}

// A plot says the values under the pointer, read back from its own paths; a line that has ended before, or begins behind, has none there.
for (const plot of document.querySelectorAll(".plot")) {
  const canvas = plot.querySelector(".canvas"), svg = plot.querySelector("svg"), at = plot.querySelector(".at");
  const outputs = [...plot.querySelectorAll(".legend output")];
  const [x, y] = [svg.dataset.x, svg.dataset.y].map((range) => range.split(" ").map(Number));
  const { width, height } = svg.viewBox.baseVal;
  const lines = [...plot.querySelectorAll(".line")].map((line) =>
    [...line.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map((found) => [Number(found[1]), Number(found[2])]));
  const along = ([low, high], share, log) => (log ? low * (high / low) ** share : low + share * (high - low));
  const value = (top) => along(y, 1 - top / height, svg.dataset.logY);
  const written = (number) => {
    const size = Math.abs(number), plain = size === 0 || (size >= 1e-4 && size < 1e6);
    return plain ? number.toLocaleString("en", { maximumSignificantDigits: 3 }) : number.toExponential(1);
  };
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const wanted = (width * (event.clientX - box.left)) / box.width;
    let place = null;
    const nearest = (points, to) =>
      points.reduce((best, point) => (!best || Math.abs(point[0] - to) < Math.abs(best[0] - to) ? point : best), null);
    for (const points of lines) {
      const near = nearest(points, wanted);
      if (near && (place === null || Math.abs(near[0] - wanted) < Math.abs(place - wanted))) place = near[0];
    }
    if (place === null) return;
    lines.forEach((points, index) => {
      const near = nearest(points, place);
      outputs[index].value = near && Math.abs(near[0] - place) < width / 50 ? written(value(near[1])) : "";
    });
    at.textContent = "at " + Math.round(along(x, place / width, svg.dataset.logX)).toLocaleString("en");
    cursor.style.left = (100 * place) / width + "%";
    canvas.append(cursor);
  });
  canvas.addEventListener("pointerleave", () => {
    cursor.remove();
    at.textContent = "";
    outputs.forEach((output) => { output.value = ""; });
  });
}
