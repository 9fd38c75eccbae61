// Replays a recording on the processor: a worker that runs `loops.js`.

class Processor {
  constructor(recording, program) {
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    this.worker = new Worker(address);
    URL.revokeObjectURL(address);
    this.worker.postMessage({ recording });
    this.name = "the processor";
    // Few at a time, so that what a person wants next is soon begun.
    const sizes = recording.passes.map((pass) => pass.images), few = sizes.findIndex((images) => images <= 4);
    this.pass = few < 0 ? sizes.length - 1 : few;
    this.images = sizes[this.pass];
  }

  close() {
    this.worker.terminate();
  }

  // Gives a network its weights: the recording's, one after the other.
  load(network, weights) {
    this.worker.postMessage({ network, weights });
  }

  // `images` images of a network, by as many latents and conditions.
  draw(network, latents, condition) {
    return new Promise((done, fail) => {
      this.worker.onmessage = ({ data }) => (data.failure ? fail(new Error(data.failure)) : done(data.values));
      this.worker.onerror = ({ message }) => fail(new Error(message || "its worker ended"));
      this.worker.postMessage({ pass: this.pass, network, latents, condition });
    });
  }
}
