// Discrete-log shuffle: rows and columns change places until the block is circulant.

const NAMES = { mul: "Multiplication", div: "Division" };
const GLIDE = 350; // milliseconds from one order to the next

// The first `placed` powers of the root, then the other digits from the smallest to the largest.
function digitOrder(p, root, placed) {
  const powers = [];
  for (let k = 0, digit = 1; k < placed; k++, digit = digit * root % p) powers.push(digit);
  const taken = new Set(powers);
  for (let digit = 1; digit < p; digit++) if (!taken.has(digit)) powers.push(digit);
  return powers;
}

// Squared deviations from the mean along each wrapped diagonal, as a share of all squares.
function circulantDeviation(entry, n) {
  let spread = 0;
  let total = 0;
  for (let shift = 0; shift < n; shift++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += entry(i, (i + shift) % n) / n;
    for (let i = 0; i < n; i++) {
      const value = entry(i, (i + shift) % n);
      spread += (value - mean) ** 2;
      total += value ** 2;
    }
  }
  return spread / total;
}

function render({ model, el }) {
  const view = makeView(model, el, "shuffle", "Discrete-log shuffle");
  const bytes = model.get("entries");
  const entries = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const p = model.get("modulus");
  const n = p - 1;
  const limit = entries.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const colours = Array.from(entries, value => `rgb(${diverging(value, limit)})`);

  const deviationAt = placed => {
    const order = digitOrder(p, model.get("root"), placed);
    const columns = model.get("operation") === "div" ? [...order].reverse() : order;
    return circulantDeviation((i, j) => entries[(order[i] - 1) * n + columns[j] - 1], n);
  };
  let deviations = [];

  // Where each digit is now, from 0 to n − 1, and on its way to where.
  const places = () => {
    const order = digitOrder(p, model.get("root"), model.get("placed"));
    const result = new Float64Array(p);
    order.forEach((digit, place) => { result[digit] = place; });
    return result;
  };
  let now = places();
  let frame = 0;

  const block = picture(view, { ratio: 1, draw(context, width) {
    const cell = width / n;
    const flip = model.get("operation") === "div";
    for (let a = 1; a < p; a++) {
      for (let b = 1; b < p; b++) {
        context.fillStyle = colours[(a - 1) * n + b - 1];
        const column = flip ? n - 1 - now[b] : now[b];
        context.fillRect(column * cell, now[a] * cell, cell + 0.5, cell + 0.5);
      }
    }
  } });

  const chart = picture(view, { ratio: 0.7, draw(context, width, height) {
    const box = { x: 42, y: 8, width: width - 54, height: height - 44 };
    const xTicks = [0, n / 2, n].map(k => [k, fixed(k, 0)]);
    const yTicks = [[0, "0"], [0.5, "0.5"], [1, "1"]];
    const scale = axes(view, context, box, { xs: [0, n], ys: [0, 1.05], xTicks, yTicks, xLabel: "digits in place" });
    const k = model.get("placed");
    context.strokeStyle = colour(view, "ink");
    line(context, [[scale.px(k), box.y], [scale.px(k), box.y + box.height]]);
    curve(view, context, scale, deviations, "deviation");
    dot(view, context, scale.px(k), scale.py(deviations[k]), "deviation");
  } });

  const glide = () => {
    cancelAnimationFrame(frame);
    const from = now;
    const to = places();
    if (reducedMotion() || from.every((place, digit) => place === to[digit])) {
      now = to;
      block.redraw();
      return;
    }
    const start = performance.now();
    const move = time => {
      const share = Math.min(1, Math.max(0, (time - start) / GLIDE));
      const eased = share * share * (3 - 2 * share);
      now = to.map((place, digit) => from[digit] + eased * (place - from[digit]));
      block.redraw();
      if (share < 1) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  };
  view.cleanups.push(() => cancelAnimationFrame(frame));

  // One button for both ways, so that it always leads somewhere.
  const both = button("", () => assign(model, { placed: model.get("placed") < n ? n : 0 }));
  const caption = element("p", { class: "rfm-caption" });
  view.root.append(
    element("div", { class: "rfm-controls" },
      choice(view, { name: "root", label: "primitive root g", options: model.get("roots").map(g => [g, String(g)]) }),
      both,
      player(view, { name: "placed", last: n, pause: 120 }),
      slider(view, { name: "placed", label: "digits in place", min: 0, max: n }),
    ),
    element("div", { class: "rfm-pictures" },
      element("div", {}, block.canvas, caption),
      element("div", {}, chart.canvas, legend([["", "deviation", "solid", "circulant deviation of the block in this order"]])),
    ),
    view.sentence,
  );

  follow(model, ["root", "operation"], () => {
    deviations = Array.from({ length: n + 1 }, (_, placed) => deviationAt(placed));
  }, view.cleanups);
  follow(model, ["root", "operation", "placed"], () => {
    const k = model.get("placed");
    const g = model.get("root");
    const order = digitOrder(p, g, k).slice(0, 8).join(", ");
    const deviation = fixed(deviations[k], 3);
    both.textContent = k < n ? "Discrete-log order" : "Natural order";
    glide();
    chart.redraw();
    caption.textContent = "Rows: digit a. Columns: digit b"
      + `${model.get("operation") === "div" ? ", last first" : ""}. The digit 0 is left out.`;
    block.describe(`Heat map of ${n} × ${n} entries, ${k} of ${n} digits in the order of their discrete logarithm.`);
    chart.describe(`Line plot of the circulant deviation over the digits in place: ${fixed(deviations[0], 3)} in natural `
      + `order, now ${deviation}, ${fixed(deviations[n], 3)} when all are in place.`);
    tell(view, `${NAMES[model.get("operation")]} mod ${p} with the primitive root ${g}: ${k} of ${n} digits are in the `
      + `order of their discrete logarithm. The order begins ${order}${n > 8 ? " and so on" : ""}. `
      + `Circulant deviation ${deviation}.`);
  }, view.cleanups);
  return cleanUp(view);
}

export default { render };
