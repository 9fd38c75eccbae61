"use strict";
// Replays a recording on the CPU, in a worker: one loop a kind of kernel, by the geometry in the words of its parameters, which lie as
// the shader's struct Parameters has them. FUNCTIONS stands before this text.

// What the expressions of FUNCTIONS call.
const select = (otherwise, then, condition) => (condition ? then : otherwise);
const abs = Math.abs;
const exp = Math.exp;
const log = Math.log;
const sqrt = Math.sqrt;
const floor = Math.floor;
const max = Math.max;
const ln_1p = Math.log1p;
const tanh_stable = Math.tanh;
const sine = Math.sin;
const cosine = Math.cos;
const power = Math.pow;
const powi = Math.pow;
const is_nan = Number.isNaN;
const inverseSqrt = (x) => 1 / Math.sqrt(x);
const round = (x) => {
  const below = Math.floor(x), rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
};
// As in shaders/shared/functions.wgsl: up to 1 the Taylor series, beyond it the polynomial of Press et al. 1992.
const error_function = (x) => {
  const z = x * x;
  if (z < 1) {
    let rest = 0;
    for (let n = 11; n > 0; n--) rest = ((1 / (2 * n + 1) - rest) * z) / n;
    return 1.1283791670955126 * x * (1 - rest);
  }
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const terms = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223];
  const far = 1 - t * Math.exp(terms.reduce((sum, term) => sum * t + term, 0) - z);
  return x < 0 ? -far : far;
};

// The sizes of a convolution, from the word at which they begin.
const geometry = (words, at) => {
  const [images, fineHeight, fineWidth, fineChannels, coarseHeight, coarseWidth, coarseChannels, kernelHeight, kernelWidth, down, across,
    paddingDown, paddingAcross] = words.subarray(at, at + 13);
  return { images, fineHeight, fineWidth, fineChannels, coarseHeight, coarseWidth, coarseChannels, kernelHeight, kernelWidth, down, across,
    paddingDown, paddingAcross };
};

// The steps from one element to the next along axes of these sizes, `visit(at)` at each element of the last axis but one: where it is
// and how far each operand has come.
const walk = (sizes, strides, visit) => {
  const rank = sizes.length - 1, index = new Array(rank).fill(0), at = strides.map(() => 0);
  for (;;) {
    visit(at);
    let axis = rank - 1;
    for (; axis >= 0; axis--) {
      strides.forEach((stride, operand) => { at[operand] += stride[axis]; });
      if (++index[axis] < sizes[axis]) break;
      strides.forEach((stride, operand) => { at[operand] -= stride[axis] * sizes[axis]; });
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
};

// Adds to four sums the products of one run of x with four runs of y.
const dots = (sums, x, fromX, y, fromY, stride, length) => {
  let a = 0, b = 0, c = 0, d = 0;
  let first = fromY, second = fromY + stride, third = second + stride, fourth = third + stride;
  for (let k = fromX; k < fromX + length; k++) {
    const value = x[k];
    a += value * y[first++];
    b += value * y[second++];
    c += value * y[third++];
    d += value * y[fourth++];
  }
  sums[0] += a;
  sums[1] += b;
  sums[2] += c;
  sums[3] += d;
};

const dot = (x, fromX, y, fromY, length) => {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += x[fromX + k] * y[fromY + k];
  return sum;
};

// The transposed convolution, its depth (taps of a phase, then coarse channels) from `start` to `end`.
const transposed = (g, coarse, filter, out, offset, start, end, apply) => {
  const channels = g.coarseChannels, fine = g.fineChannels, stride = channels, sums = new Float64Array(4);
  const totals = new Float64Array(Math.ceil(fine / 4) * 4);
  for (let image = 0; image < g.images; image++) {
    for (let h = 0; h < g.fineHeight; h++) {
      for (let w = 0; w < g.fineWidth; w++) {
        totals.fill(0);
        const top = h + g.paddingDown, left = w + g.paddingAcross;
        let depth = 0;
        for (let p = top % g.down; p < g.kernelHeight; p += g.down) {
          const i = (top - p) / g.down;
          for (let q = left % g.across; q < g.kernelWidth; q += g.across, depth += channels) {
            const j = (left - q) / g.across;
            if (i < 0 || i >= g.coarseHeight || j < 0 || j >= g.coarseWidth) continue;
            const from = Math.max(depth, start) - depth, length = Math.min(depth + channels, end) - depth - from;
            if (length <= 0) continue;
            const x = ((image * g.coarseHeight + i) * g.coarseWidth + j) * channels + from;
            const y = (p * g.kernelWidth + q) * fine * channels + from;
            let c = 0;
            for (; c + 4 <= fine; c += 4) {
              sums.fill(0);
              dots(sums, coarse, x, filter, y + c * stride, stride, length);
              for (let lane = 0; lane < 4; lane++) totals[c + lane] += sums[lane];
            }
            for (; c < fine; c++) totals[c] += dot(coarse, x, filter, y + c * stride, length);
          }
        }
        const to = offset + ((image * g.fineHeight + h) * g.fineWidth + w) * fine;
        for (let c = 0; c < fine; c++) out[to + c] = apply(totals[c]);
      }
    }
  }
};

// Of each part of a product's depth: its number and where it begins.
const splits = (words, work) => {
  for (let split = 0; split < words[7]; split++) work(split * words[12], split * words[8], (split + 1) * words[8]);
};

const LOOPS = {
  fill({ floats, outs: [out] }) {
    out.fill(floats[0]);
  },
  unary({ words, ins: [x], outs: [out], apply }) {
    for (let i = 0; i < 4 * words[4]; i++) out[i] = apply(x[i]);
  },
  binary({ words, ins: [a, b], outs: [out], apply }) {
    const [length, stepA, stepB] = [4 * words[4], words[5], words[6]];
    for (let i = 0; i < length; i++) out[i] = apply(a[i * stepA], b[i * stepB]);
  },
  binary_broadcast({ words, ins: [a, b], outs: [out], apply }) {
    const rank = words[5], part = (at) => [...words.subarray(at, at + rank)];
    const [sizes, ofA, ofB] = [part(8), part(16), part(24)];
    const length = sizes[rank - 1], stepA = ofA[rank - 1], stepB = ofB[rank - 1];
    let to = 0;
    walk(sizes, [ofA, ofB], ([fromA, fromB]) => {
      for (let i = 0; i < length; i++) out[to++] = apply(a[fromA + i * stepA], b[fromB + i * stepB]);
    });
  },
  reduce({ words, floats, ins: [x], outs: [out], apply, finish }) {
    const [outputs, length, inner, chunk, parts] = words.subarray(5, 10);
    for (let output = 0; output < outputs; output++) {
      const outer = Math.floor(output / inner), i = output % inner;
      for (let part = 0; part < parts; part++) {
        let total = floats[4];
        const end = Math.min((part + 1) * chunk, length);
        for (let l = part * chunk; l < end; l++) total = apply(total, x[(outer * length + l) * inner + i]);
        out[(outer * parts + part) * inner + i] = finish === null ? total : finish(total);
      }
    }
  },
  window({ words, whole, ins: [x], outs: [out] }) {
    const rank = words[1], part = (at) => [...whole.subarray(at, at + rank)];
    const [sizes, multipliers, offsets, divisors, inside, strides] = [4, 12, 20, 28, 36, 44].map(part);
    // Where each index of an axis comes from, or none.
    const from = sizes.map((size, axis) => Int32Array.from({ length: size }, (_, index) => {
      const scaled = index * multipliers[axis] + offsets[axis], i = scaled / divisors[axis];
      return Number.isInteger(i) && i >= 0 && i < inside[axis] ? i * strides[axis] : -1;
    }));
    for (let j = 0; j < words[0]; j++) {
      let rest = j, at = 0, found = true;
      for (let axis = rank - 1; axis >= 0; axis--) {
        const size = sizes[axis], next = Math.floor(rest / size), way = from[axis][rest - next * size];
        rest = next;
        found = found && way >= 0;
        at += way;
      }
      out[j] = found ? x[at] : 0;
    }
  },
  permute({ words, ins: [x], outs: [out] }) {
    const rank = words[1], part = (at) => [...words.subarray(at, at + rank)];
    if (rank === 0) return void out.set(x.subarray(0, words[0]));
    const [sizes, strides] = [part(4), part(12)];
    let to = 0;
    walk(sizes, [strides], ([from]) => {
      for (let i = 0; i < sizes[rank - 1]; i++) out[to++] = x[from + i * strides[rank - 1]];
    });
  },
  matmul({ words, constants, ins: [a, b], outs: [out], apply }) {
    const [rows, columns, depth, size] = [words[4], words[5], words[6], words[12]];
    const aAlong = constants.A_ALONG_DEPTH === "true", bAlong = constants.B_ALONG_DEPTH === "true";
    const line = new Float64Array(depth), sums = new Float64Array(columns);
    splits(words, (offset, start, end) => {
      end = Math.min(end, depth);
      for (let part = 0; part * rows * columns < size; part++) {
        for (let row = 0; row < rows; row++) {
          for (let k = start; k < end; k++) line[k] = a[part * rows * depth + (aAlong ? row * depth + k : k * rows + row)];
          sums.fill(0);
          const matrix = part * depth * columns;
          if (bAlong) {
            for (let c = 0; c < columns; c++) sums[c] = dot(line, start, b, matrix + c * depth + start, end - start);
          } else {
            for (let k = start; k < end; k++) {
              const value = line[k], from = matrix + k * columns;
              for (let c = 0; c < columns; c++) sums[c] += value * b[from + c];
            }
          }
          const to = offset + (part * rows + row) * columns;
          for (let c = 0; c < columns; c++) out[to + c] = apply(sums[c]);
        }
      }
    });
  },
  conv_coarse({ words, ins: [fine, filter], outs: [out], apply }) {
    const g = geometry(words, 13), channels = g.fineChannels, columns = g.coarseChannels, sums = new Float64Array(columns);
    splits(words, (offset, start, end) => {
      let to = offset;
      for (let image = 0; image < g.images; image++) {
        for (let i = 0; i < g.coarseHeight; i++) {
          for (let j = 0; j < g.coarseWidth; j++) {
            sums.fill(0);
            let depth = 0;
            for (let p = 0; p < g.kernelHeight; p++) {
              for (let q = 0; q < g.kernelWidth; q++, depth += channels) {
                const h = i * g.down + p - g.paddingDown, w = j * g.across + q - g.paddingAcross;
                if (h < 0 || h >= g.fineHeight || w < 0 || w >= g.fineWidth) continue;
                const pixel = ((image * g.fineHeight + h) * g.fineWidth + w) * channels;
                const last = Math.min(depth + channels, end);
                for (let k = Math.max(depth, start); k < last; k++) {
                  const value = fine[pixel + k - depth], from = k * columns;
                  for (let c = 0; c < columns; c++) sums[c] += value * filter[from + c];
                }
              }
            }
            for (let c = 0; c < columns; c++) out[to++] = apply(sums[c]);
          }
        }
      }
    });
  },
  conv_fine({ words, ins: [coarse, filter], outs: [out], apply }) {
    const g = geometry(words, 13);
    splits(words, (offset, start, end) => transposed(g, coarse, filter, out, offset, start, end, apply));
  },
  conv_fine_few({ words, ins: [coarse, filter], outs: [out], apply }) {
    transposed(geometry(words, 5), coarse, filter, out, 0, 0, Infinity, apply);
  },
};

let recording = null;
let storages = null;
// The weights of each network: the recording's, one after the other.
const networks = [];

// A dispatch with everything that its loop reads.
const prepared = (dispatch) => {
  const words = Uint32Array.from(dispatch.parameters), floats = new Float32Array(words.buffer), whole = new Int32Array(words.buffer);
  const named = (name) => name === null ? null : FUNCTIONS[name]([...floats.subarray(0, 4)]);
  const [apply, finish] = [dispatch.function, dispatch.finish].map(named);
  const [ins, outs] = [dispatch.reads, dispatch.writes].map((numbers) => numbers.map((number) => storages[number]));
  return () => LOOPS[dispatch.kind]({ words, floats, whole, constants: dispatch.constants, ins, outs, apply, finish });
};

// What a pass of a network makes of latents and conditions.
const replay = (pass, network, latents, condition) => {
  const used = [pass.latents, pass.condition, ...pass.dispatches.flatMap(({ reads, writes }) => [...reads, ...writes])];
  for (const number of used) if (number !== null) storages[number] ??= new Float32Array(recording.storages[number] / 4);
  let from = 0;
  for (const { slot, length } of recording.weights) {
    storages[slot] ??= new Float32Array(recording.storages[slot] / 4);
    storages[slot].set(networks[network].subarray(from, from + length));
    from += length;
  }
  storages[pass.latents].set(latents);
  if (pass.condition !== null) storages[pass.condition].set(condition);
  pass.steps ??= pass.dispatches.map(prepared);
  for (const step of pass.steps) step();
  return storages[pass.output];
};

onmessage = ({ data }) => {
  if (data.recording) [recording, storages] = [data.recording, []];
  if (data.weights) networks[data.network] = data.weights;
  if (!data.latents) return;
  try {
    const pass = recording.passes[data.pass], values = replay(pass, data.network, data.latents, data.condition);
    // The storage may be longer than the images: other passes use it, too.
    postMessage({ values: values.slice(0, pass.images * recording.size ** 2 * recording.channels) });
  } catch (error) {
    postMessage({ failure: String(error) });
  }
};
