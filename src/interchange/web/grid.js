// The grid of pictures: a button an image, with a canvas a network.

class Grid {
  static GAP = 2;

  constructor(element, { size, channels }, networks, images) {
    Object.assign(this, { element, size, channels, networks, images, columns: 8 });
    this.cells = Array.from({ length: images }, (_, image) => {
      const cell = document.createElement("button");
      cell.type = "button";
      cell.className = "sample";
      cell.tabIndex = image ? -1 : 0;
      const canvases = Array.from({ length: networks }, () => Object.assign(document.createElement("canvas"), { width: size, height: size }));
      cell.append(...canvases);
      element.append(cell);
      return { cell, contexts: canvases.map((canvas) => canvas.getContext("2d", { willReadFrequently: true })) };
    });
    element.addEventListener("keydown", (event) => this.#step(event));
    new ResizeObserver(() => this.fit()).observe(element);
    addEventListener("resize", () => this.fit());
  }

  // Takes the columns with which images are largest in the room that there is.
  fit() {
    const alone = document.body.classList.contains("alone"), desk = matchMedia("(min-width: 60rem)").matches;
    const width = this.element.clientWidth, top = this.element.getBoundingClientRect().top + scrollY;
    const height = alone && desk ? Math.max(innerHeight - top - 80, 280) : Math.max(0.7 * innerHeight, 280);
    const share = (length, count) => (length - (count - 1) * Grid.GAP) / count;
    let best = 0;
    for (let across = 1; across <= this.images; across++) {
      const side = Math.floor(Math.min(share(width, across), share(height, Math.ceil(this.images / across)) / this.networks));
      if (side > best) [best, this.columns] = [side, across];
    }
    this.element.style.gridTemplateColumns = `repeat(${this.columns}, ${Math.max(best, 8)}px)`;
  }

  // Shows a network's images, `[count, size, size, channels]` in (-1, 1), from number `first` on.
  paint(network, first, count, values) {
    const each = this.size * this.size * this.channels, picture = new ImageData(this.size, this.size), half = 127.5;
    for (let image = 0; image < count; image++) {
      for (let pixel = 0; pixel < this.size * this.size; pixel++) {
        for (let colour = 0; colour < 3; colour++) {
          const value = values[image * each + pixel * this.channels + (this.channels === 3 ? colour : 0)];
          // Halves go up as they do natively; the array cuts off what is beyond its range.
          picture.data[4 * pixel + colour] = Math.floor((value + 1) * half + 0.5);
        }
        picture.data[4 * pixel + 3] = 255;
      }
      this.cells[first + image].contexts[network].putImageData(picture, 0, 0);
    }
  }

  // Names each picture, and says which are kept; in a walk none is, as all are steps.
  label(view) {
    this.cells.forEach(({ cell }, image) => {
      cell.setAttribute("aria-label", view.walk ? `Step ${image + 1} of ${this.images} of the walk` : `Sample ${image + 1}`);
      if (view.walk) cell.removeAttribute("aria-pressed");
      else cell.setAttribute("aria-pressed", String(view.kept.has(image)));
    });
  }

  // All of it on one canvas, each pixel a square of several.
  picture() {
    const scale = Math.max(1, Math.floor(128 / this.size)), side = this.size * scale, tall = this.networks * side;
    const whole = document.createElement("canvas");
    whole.width = this.columns * (side + Grid.GAP) - Grid.GAP;
    whole.height = Math.ceil(this.images / this.columns) * (tall + Grid.GAP) - Grid.GAP;
    const context = whole.getContext("2d");
    context.imageSmoothingEnabled = false;
    this.cells.forEach(({ contexts }, image) => contexts.forEach(({ canvas }, network) => {
      const [left, top] = [(image % this.columns) * (side + Grid.GAP), Math.floor(image / this.columns) * (tall + Grid.GAP) + network * side];
      context.drawImage(canvas, left, top, side, side);
    }));
    return whole;
  }

  // The arrows go from one picture to another: the tab key finds only one of them.
  #step(event) {
    const at = this.cells.findIndex(({ cell }) => cell === document.activeElement);
    const { images, columns } = this;
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: images - 1 }[event.key];
    if (at < 0 || next === undefined || next < 0 || next >= images) return;
    event.preventDefault();
    this.cells[at].cell.tabIndex = -1;
    this.cells[next].cell.tabIndex = 0;
    this.cells[next].cell.focus();
  }
}
