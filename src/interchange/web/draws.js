// What the page draws from: the latents and conditions of a view.

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

const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);

// The way along the great circle between two latents (White 2016).
const between = (a, b, share) => {
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)))));
  const weight = (part) => (Math.sin(angle) < 1e-4 ? part : Math.sin(part * angle) / Math.sin(angle));
  return a.map((value, index) => weight(1 - share) * value + weight(share) * b[index]);
};

const mixture = (a, b, share) => a.map((value, index) => value + share * (b[index] - value));

// Brought to the norm that features have, the square root of their length; zeros stay.
const normalised = (vector) => {
  const squared = dot(vector, vector);
  return squared > 0 ? vector.map((value) => value * Math.sqrt(vector.length / squared)) : vector;
};

class Draws {
  constructor({ latent, directions, conditions }, images) {
    Object.assign(this, { latent, directions, conditions, images });
  }

  // `[images, latent]`.
  latents(view) {
    const all = new Float32Array(this.images * this.latent);
    this.#rows(view, (image) => this.#latent(view, image), between).forEach((row, image) => {
      this.directions.forEach((direction, index) => {
        if (view.move[index]) direction.forEach((component, axis) => { row[axis] += view.move[index] * component; });
      });
      all.set(row, image * this.latent);
    });
    return all;
  }

  // `[images, classes | features]`; null where the generator takes none.
  condition(view) {
    if (!this.conditions) return null;
    const classes = this.conditions.classes.length, length = classes + this.conditions.features;
    const all = new Float32Array(this.images * length);
    const step = (a, b, share) => {
      const row = mixture(a, b, share);
      return [...row.slice(0, classes), ...normalised(row.slice(classes))];
    };
    this.#rows(view, (image) => this.#condition(view, image), step).forEach((row, image) => all.set(row, image * length));
    return all;
  }

  // Of each image a row: its own, or in a walk a step of the way between those of the two that were kept last.
  #rows(view, own, step) {
    const images = Array.from({ length: this.images }, (_, image) => image);
    if (!view.walk) return images.map(own);
    const [from, to] = [...view.kept.keys()].slice(-2).map(own);
    return images.map((image) => step(from, to, image / (this.images - 1)));
  }

  // What is kept keeps the seed that it was drawn by.
  #seed(view, image) {
    return view.kept.get(image) ?? view.seed;
  }

  #latent(view, image) {
    const draw = random(this.#seed(view, image), image, 1);
    return Float64Array.from({ length: this.latent }, () => normal(draw, view.truncation));
  }

  #condition(view, image) {
    const { classes, features } = this.conditions, draw = random(this.#seed(view, image), image, 2);
    const label = view.class === "" ? this.#label(draw, this.images * this.#seed(view, image) + image) : Number(view.class);
    const row = classes.map((_, index) => Number(index === label));
    return features ? [...row, ...this.#features(draw, label)] : row;
  }

  // The class of a sample of this number, null where it is of none.
  #label(draw, number) {
    const { classes, frequencies, unknown } = this.conditions;
    if (!classes.length) return null;
    // In turn: the next samples go on where these end, so that each class has its turn however many there are.
    if (!frequencies) return number % classes.length;
    if (draw() < unknown) return null;
    let rest = draw() * frequencies.reduce((sum, share) => sum + share, 0);
    const label = frequencies.findIndex((share) => (rest -= share) < 0);
    return label < 0 ? frequencies.length - 1 : label;
  }

  // By the bank's rows of the class, or of none; all of them where it has no such rows.
  #features(draw, label) {
    const { bank, source } = this.conditions;
    const own = bank.features.filter((_, row) => bank.labels[row] === label), rows = own.length ? own : bank.features;
    const one = () => rows[Math.floor(draw() * rows.length)];
    if (source === "mix") return normalised(mixture(one(), one(), draw()));
    if (source === "gaussian") {
      // mean + sum of e_j (f_j - mean) / sqrt(rows), e_j from N(0, 1), has the rows' mean and covariance.
      const weights = rows.map(() => normal(draw, Infinity) / Math.sqrt(rows.length));
      return normalised(rows[0].map((_, axis) => {
        const mean = rows.reduce((sum, row) => sum + row[axis], 0) / rows.length;
        return rows.reduce((sum, row, index) => sum + weights[index] * (row[axis] - mean), mean);
      }));
    }
    return one();
  }
}
