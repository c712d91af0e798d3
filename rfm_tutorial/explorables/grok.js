// Watch it grok: a block, its measures and the losses, with one cursor through all of them.

const SYMBOLS = { add: "a + b", sub: "a − b", mul: "a · b", div: "a ÷ b" };
const CURVES = [
  // measure, colour, dash, text
  ["test_accuracy", "test", "solid", "test accuracy"],
  ["train_accuracy", "train", "dashed", "training accuracy"],
  ["deviation", "deviation", "dotted", "circulant deviation"],
  ["alignment", "alignment", "dashdot", "alignment with the last matrix"],
];
const LOSSES = [
  ["test_loss", "test", "solid", "test loss"],
  ["train_loss", "train", "dashed", "training loss"],
];
const LEVELS = 127;

function render({ model, el }) {
  const view = makeView(model, el, "grok", "Watch it grok");
  const bytes = model.get("blocks");
  const blocks = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const run = () => model.get("runs")[`${model.get("operation")} ${model.get("kernel")}`];
  const last = Object.values(model.get("runs"))[0].scales.length - 1;
  const ticks = [0, 10, 20, 30].filter(t => t <= last).map(t => [t, String(t)]);

  const block = picture(view, { ratio: 1, draw(context, width, height) {
    const { size, start } = run();
    const first = start + model.get("iteration") * size * size;
    const values = blocks.subarray(first, first + size * size);
    heatMap(context, { x: 0, y: 0, width, height }, values, size, size, LEVELS);
  } });

  const chart = (curves, ys, yTicks, ratio) => picture(view, { ratio, draw(context, width, height) {
    const box = { x: 42, y: 8, width: width - 54, height: height - 44 };
    const scale = axes(view, context, box, { xs: [0, last], ys, xTicks: ticks, yTicks, xLabel: "iteration" });
    const at = model.get("iteration");
    context.strokeStyle = colour(view, "ink");
    line(context, [[scale.px(at), box.y], [scale.px(at), box.y + box.height]]);
    for (const [measure, name, dash] of curves) curve(view, context, scale, run()[measure], name, dash);
    for (const [measure, name] of curves) {
      const value = run()[measure][at];
      if (value !== null) dot(view, context, scale.px(at), scale.py(value), name);
    }
  } });
  const measures = chart(CURVES, [0, 1.05], [[0, "0"], [0.5, "0.5"], [1, "1"]], 0.62);
  const losses = chart(LOSSES, [0, 0.02], [[0, "0"], [0.01, "0.01"], [0.02, "0.02"]], 0.42);
  for (const { canvas } of [measures, losses]) scrub(view, canvas, 42, 12, last);

  const caption = element("p", { class: "rfm-caption" });
  view.root.append(
    element("div", { class: "rfm-controls" },
      choice(view, { name: "operation", label: "operation", options: Object.entries(SYMBOLS) }),
      choice(view, { name: "kernel", label: "kernel", options: [["Gaussian", "Gaussian"], ["quadratic", "quadratic"]] }),
      player(view, { name: "iteration", last, pause: 350 }),
      slider(view, { name: "iteration", label: "iteration", min: 0, max: last }),
    ),
    element("div", { class: "rfm-pictures" },
      element("div", {}, block.canvas, caption),
      element("div", {}, measures.canvas, legend(CURVES), losses.canvas, legend(LOSSES)),
    ),
    view.sentence,
  );

  follow(model, ["operation", "kernel", "iteration"], () => {
    const at = model.get("iteration");
    const value = measure => run()[measure][at];
    const names = `${SYMBOLS[model.get("operation")]} mod 61 with the ${model.get("kernel")} kernel`;
    for (const one of [block, measures, losses]) one.redraw();
    const largest = fixed(run().scales[at], 3);
    caption.textContent = at === 0
      ? "Block of digit a (rows) and digit b (columns): empty at step 0, where M is the identity."
      : `Block of digit a (rows) and digit b (columns), ${ORDERS[model.get("operation")]}: red above zero, `
        + `blue below, darkest at ±${largest}.`;
    block.describe(`Heat map of ${run().size} × ${run().size} entries. ${caption.textContent}`);
    measures.describe(`Line plot over ${last} iterations, now at ${at}: `
      + CURVES.filter(([m]) => value(m) !== null).map(([m,,, text]) => `${text} ${fixed(value(m), 2)}`).join(", ") + ".");
    losses.describe(`Line plot over ${last} iterations, now at ${at}: `
      + LOSSES.map(([m,,, text]) => `${text} ${fixed(value(m), 4)}`).join(", ") + ".");
    const shape = value("deviation") === null
      ? "The block is still empty" : `Circulant deviation ${fixed(value("deviation"), 2)}`;
    tell(view, `Step ${at} of ${last}, ${names}: right on ${fixed(100 * value("test_accuracy"), 1)} % of the hidden `
      + `cells and on ${fixed(100 * value("train_accuracy"), 1)} % of the training cells. `
      + `Test loss ${fixed(value("test_loss"), 4)}. `
      + `${shape}, alignment with the last matrix ${fixed(value("alignment"), 2)}.`);
  }, view.cleanups);
  return cleanUp(view);
}

const ORDERS = {
  add: "digits in natural order",
  sub: "columns from the last digit to the first",
  mul: "the digits but 0 in the order of their discrete logarithm",
  div: "the digits but 0 in the order of their discrete logarithm, columns last first",
};

// The chart itself can be clicked and dragged; the slider does the same for the keyboard.
function scrub(view, canvas, left, right, last) {
  const move = event => {
    if (event.buttons !== 1) return;
    const { x, width } = canvas.getBoundingClientRect();
    const share = (event.clientX - x - left) / (width - left - right);
    assign(view.model, { iteration: Math.round(Math.min(1, Math.max(0, share)) * last) });
  };
  canvas.addEventListener("pointerdown", move);
  canvas.addEventListener("pointermove", move);
}

export default { render };
