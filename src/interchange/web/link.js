// The view, everything that a person chose, and the link that holds it.

class Link {
  // `limits`: how many images, directions and classes there are, whether there is a pair, the bounds of truncation and of directions.
  constructor(limits) {
    this.limits = limits;
  }

  start() {
    return {
      seed: 0, truncation: Infinity, class: "", move: Array(this.limits.directions).fill(0), mix: 1, kept: new Map(), walk: false, on: "gpu",
    };
  }

  // The view of a link's fragment; what is missing, or makes no sense, is as at the start.
  read(fragment) {
    const given = new URLSearchParams(fragment.replace(/^#/, "")), view = this.start();
    const { images, directions, classes, pair, truncation, farthest, seeds } = this.limits;
    const bounded = (text, least, most, otherwise) => {
      const number = Number(text);
      return text !== null && text !== "" && Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : otherwise;
    };
    view.seed = Math.floor(bounded(given.get("seed"), 0, seeds, 0));
    const bound = bounded(given.get("truncation"), ...truncation, Infinity);
    view.truncation = bound < truncation[1] ? bound : Infinity;
    const number = bounded(given.get("class"), 0, classes - 1, -1);
    view.class = classes > 0 && Number.isInteger(number) && number >= 0 ? String(number) : "";
    (given.get("move") ?? "").split(",").slice(0, directions).forEach((text, index) => {
      view.move[index] = bounded(text, -farthest, farthest, 0);
    });
    if (pair) view.mix = bounded(given.get("mix"), 0, 1, 1);
    for (const text of (given.get("kept") ?? "").split(",")) {
      const [image, seed] = /^\d{1,2}:\d{1,10}$/.test(text) ? text.split(":").map(Number) : [];
      if (image < images && seed <= seeds) view.kept.set(image, seed);
    }
    view.walk = given.get("walk") === "1" && view.kept.size > 1;
    view.on = given.get("on") === "cpu" ? "cpu" : "gpu";
    return view;
  }

  write(view) {
    const parts = [["seed", view.seed]];
    if (view.truncation < Infinity) parts.push(["truncation", view.truncation]);
    if (view.class !== "") parts.push(["class", view.class]);
    if (view.move.some(Boolean)) parts.push(["move", view.move.join(",")]);
    if (view.mix < 1) parts.push(["mix", view.mix]);
    if (view.kept.size) parts.push(["kept", [...view.kept].map(([image, seed]) => `${image}:${seed}`).join(",")]);
    if (view.walk) parts.push(["walk", 1]);
    if (view.on === "cpu") parts.push(["on", "cpu"]);
    return "#" + parts.map(([name, value]) => `${name}=${value}`).join("&");
  }
}
