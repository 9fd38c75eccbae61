"use strict";
// Replays a recording on the graphics card through WebGPU.

class Card {
  // Opens the card; throws where there is none, or it refuses. `lost` is called with the card, and why, once it has gone or failed.
  static async open(recording, lost) {
    if (!navigator.gpu) {
      const plain = "browsers give WebGPU to no page that came over plain http: open it over https, or from a disk";
      throw new Error(isSecureContext ? "this browser has no WebGPU" : plain);
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) throw new Error("WebGPU finds no graphics card that it may use");
    const device = await adapter.requestDevice();
    const card = new Card(recording, device, adapter.info);
    const gone = (why) => {
      if (card.closed) return;
      // What it holds is given back before another opens.
      card.close();
      lost(card, why);
    };
    device.lost.then(({ message }) => gone(message || "it was taken away"));
    device.addEventListener("uncapturederror", ({ error }) => gone(error.message));
    try {
      await card.compile();
    } catch (error) {
      card.close();
      throw error;
    }
    return card;
  }

  constructor(recording, device, info) {
    Object.assign(this, { recording, device, closed: false });
    this.name = "WebGPU, " + ([info?.vendor, info?.architecture, info?.description].filter(Boolean).join(" ") || "the graphics card");
    // Of each network the storages of its weights; of all networks the others.
    this.weights = [];
    this.storages = [];
    this.prepared = [];
    // As many images at once as it holds.
    this.pass = recording.passes[0];
    this.images = this.pass.images;
  }

  close() {
    this.closed = true;
    this.device.destroy();
  }

  // Every shader's pipeline, in the layout that the native device has.
  async compile() {
    const entry = (binding, type) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } });
    this.pipelines = await Promise.all(this.recording.shaders.map(async ({ text, reads, writes }) => {
      const types = ["uniform", ...Array(reads).fill("read-only-storage"), ...Array(writes).fill("storage")];
      const layout = this.device.createBindGroupLayout({ entries: types.map((type, binding) => entry(binding, type)) });
      const module = this.device.createShaderModule({ code: text });
      const pipeline = await this.device.createComputePipelineAsync({
        layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout };
    }));
  }

  storage(number) {
    return this.storages[number] ??= this.buffer(this.recording.storages[number]);
  }

  buffer(size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC) {
    return this.device.createBuffer({ size, usage });
  }

  // Gives a network its weights: the recording's, one after the other.
  load(network, values) {
    const own = this.weights[network] ??= new Map();
    let from = 0;
    for (const { slot, length } of this.recording.weights) {
      if (!own.has(slot)) own.set(slot, this.buffer(this.recording.storages[slot]));
      this.device.queue.writeBuffer(own.get(slot), 0, values, from, length);
      from += length;
    }
  }

  // The pass of a network as the card takes it.
  prepare(network) {
    const { pass } = this, own = this.weights[network], alignment = this.device.limits.minUniformBufferOffsetAlignment;
    let size = 0;
    const offsets = pass.dispatches.map(({ parameters }) => {
      const at = size;
      size = Math.ceil((at + 4 * parameters.length) / alignment) * alignment;
      return at;
    });
    const words = new Uint32Array(size / 4);
    pass.dispatches.forEach(({ parameters }, index) => words.set(parameters, offsets[index] / 4));
    const uniforms = this.buffer(size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.device.queue.writeBuffer(uniforms, 0, words);
    const steps = pass.dispatches.map(({ shader, parameters, reads, writes, groups }, index) => {
      const { pipeline, layout } = this.pipelines[shader];
      const storages = [...reads, ...writes].map((number) => ({ buffer: own.get(number) ?? this.storage(number) }));
      const resources = [{ buffer: uniforms, offset: offsets[index], size: 4 * parameters.length }, ...storages];
      const entries = resources.map((resource, binding) => ({ binding, resource }));
      return { pipeline, groups, group: this.device.createBindGroup({ layout, entries }) };
    });
    const length = pass.images * this.recording.size ** 2 * this.recording.channels;
    const staging = this.buffer(4 * length, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    return { steps, staging, length };
  }

  // `images` images of a network, by as many latents and conditions.
  async draw(network, latents, condition) {
    const { steps, staging, length } = (this.prepared[network] ??= this.prepare(network));
    this.device.queue.writeBuffer(this.storage(this.pass.latents), 0, latents);
    if (condition) this.device.queue.writeBuffer(this.storage(this.pass.condition), 0, condition);
    const encoder = this.device.createCommandEncoder();
    const compute = encoder.beginComputePass();
    for (const { pipeline, group, groups } of steps) {
      compute.setPipeline(pipeline);
      compute.setBindGroup(0, group);
      compute.dispatchWorkgroups(groups[0], groups[1]);
    }
    compute.end();
    encoder.copyBufferToBuffer(this.storage(this.pass.output), 0, staging, 0, 4 * length);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    return values;
  }
}
