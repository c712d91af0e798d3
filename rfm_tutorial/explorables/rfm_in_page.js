// RFM in the page: numerics.js does an update in two or three pieces, with a breath in between.

import {
  assign, button, caption, chartAxes, cleanUp, colour, drawCurves, element, follow, legend, line, makeView, picture,
  scrub, slider, tell,
} from "./common.js";
import {
  SETTINGS, blockAndAnswers, blockPicture, drawAnswers, keptSplit, settingsControls, taskInWords,
} from "./in_page.js";
import { SingularKernelError, rfmSteps } from "./numerics.js";
import { fixed, rounded } from "./wording.js";

const { BANDWIDTHS, LAST } = given;
const MEASURES = [
  // measure, colour, dash, text
  ["testAccuracy", "test", "solid", "test accuracy"],
  ["trainAccuracy", "train", "dashed", "training accuracy"],
  ["deviation", "deviation", "dotted", "circulant deviation"],
];

// A run of the current settings. `records` grows as it is computed; `ended` says that it cannot.
function newRun(model, split) {
  const [operation, bandwidth] = [model.get("operation"), model.get("bandwidth")];
  return { split, steps: rfmSteps(split, operation, bandwidth), records: [], ended: false };
}

// One piece of work, some 10 to 40 ms long.
function advance(run) {
  try {
    const record = run.steps.next().value;
    if (record) run.records.push(record);
  } catch (error) {
    if (!(error instanceof SingularKernelError)) throw error;
    run.ended = true;
  }
}

function runInWords(model, { split, records }, asked) {
  const start = `${taskInWords(model)}, bandwidth ${rounded(model.get("bandwidth"), 1)}.`;
  if (!records.length) return `${start} The kernel matrix is singular: there is no answer.`;
  const done = Math.min(asked, records.length - 1);
  const { testAccuracy, trainAccuracy, deviation } = records[done];
  const total = split.test.n;
  const ends = done < asked ? ` The next kernel matrix is singular, and the run ends after ${done} updates.` : "";
  const when = done ? `After ${done} update${done === 1 ? "" : "s"}` : "Before any update";
  const block = done ? `Circulant deviation ${rounded(deviation, 2)}.` : "The block is empty: M = I.";
  return `${start}${ends} ${when} the machine answers ${Math.round(testAccuracy * total)} of ${total} new pairs right, `
    + `${rounded(100 * testAccuracy, 0)} %, and ${rounded(100 * trainAccuracy, 0)} % of the training pairs. ${block}`;
}

// Accuracies and deviation of all steps so far, with a line at the step that is shown.
function drawRun(view, context, width, height, { records, split }, at) {
  const scale = chartAxes(view, context, width, height, { at, last: LAST, xLabel: "updates of the features" });
  const chance = scale.py(1 / split.p);
  context.strokeStyle = colour(view, "axis");
  context.setLineDash([1, 4]);
  line(context, [[scale.px(0), chance], [scale.px(LAST), chance]]);
  context.setLineDash([]);
  drawCurves(view, context, scale, MEASURES, measure => records.map(record => record[measure]), at);
}

function render({ model, el }) {
  const view = makeView(model, el, "rfm-in-page", "A Recursive Feature Machine in the page");
  const split = keptSplit(model);
  let run = newRun(model, split());
  const shownStep = () => Math.min(model.get("step"), run.records.length - 1);
  const shown = () => run.records[shownStep()];
  const unfinished = () => !run.ended && run.records.length <= model.get("step");
  const atEnd = () => !unfinished() && model.get("step") >= (run.ended ? run.records.length - 1 : LAST);

  const block = blockPicture(view, () => shown()?.block);
  const answers = picture(view, { ratio: 1, draw(context, width) {
    if (shown()) drawAnswers(view, context, width, run.split, shown().right);
  } });
  const curves = picture(view, { ratio: 1, draw(context, width, height) {
    drawRun(view, context, width, height, run, shownStep());
  } });
  scrub(view, curves.canvas, { name: "step", last: LAST });
  const go = button("", () => {
    if (unfinished()) assign(model, { step: Math.max(0, run.records.length - 1) });
    else assign(model, { step: atEnd() ? 0 : LAST });
  });
  const once = button("One update", () => assign(model, { step: Math.min(LAST, model.get("step") + 1) }));
  view.root.append(
    element("div", { class: "rfm-controls" }, ...settingsControls(view),
      slider(view, {
        name: "bandwidth", label: "bandwidth L", min: BANDWIDTHS[0], max: BANDWIDTHS[1], step: 0.5,
        say: value => fixed(value, 1),
      })),
    element("div", { class: "rfm-controls" }, go, once,
      slider(view, { name: "step", label: "updates", min: 0, max: LAST })),
    view.sentence,
    element("div", { class: "rfm-pictures" },
      element("div", {}, caption("The run so far; the faint line is chance"), curves.canvas, legend(MEASURES)),
      ...blockAndAnswers(view, block, answers)));

  const show = () => {
    const busy = unfinished();
    for (const one of [block, answers, curves]) one.redraw();
    const idle = atEnd() ? "Back to the start" : `Run ${LAST} updates`;
    go.textContent = busy ? "Stop" : idle;
    once.disabled = atEnd();
    go.disabled = atEnd() && model.get("step") === 0;
    view.root.setAttribute("aria-busy", `${busy}`);
    const words = runInWords(model, run, model.get("step"));
    if (busy) {
      const done = Math.max(0, run.records.length - 1);
      tell(view, `Computing: ${done} of ${model.get("step")} updates are done.`, { quietly: true });
    } else {
      tell(view, words);
    }
    const now = shown();
    block.describe(now && shownStep() ? `Heat map of the block. ${words}` : "The block is empty: before any update, M is the identity.");
    answers.describe(`The table of all pairs, ${run.split.train.n} of them for training. ${words}`);
    curves.describe(`Line plot of ${MEASURES.map(measure => measure[3]).join(", ")} over the updates. ${words}`);
    Object.assign(view.root.dataset, { testAccuracy: now?.testAccuracy ?? "", deviation: now?.deviation ?? "" });
  };

  // At most one piece of work is waiting. A change of settings puts another run in its place.
  let waiting = 0;
  const work = () => {
    waiting = 0;
    if (!unfinished()) return;
    const before = run.records.length;
    advance(run);
    if (unfinished()) waiting = setTimeout(work);
    else assign(model, { history: summary(run) });
    if (run.records.length !== before || !unfinished()) show();
  };
  const wake = () => {
    show();
    if (unfinished()) waiting ||= setTimeout(work);
  };
  follow(model, [...SETTINGS, "bandwidth"], () => {
    run = newRun(model, split());
    wake();
  }, view.cleanups);
  follow(model, ["step"], wake, view.cleanups);
  view.cleanups.push(() => clearTimeout(waiting));
  return cleanUp(view);
}

// What Python gets to see, with the names of RFM.history_.
function summary({ records }) {
  return records.map(({ iteration, trainAccuracy, testAccuracy, testLoss, deviation }) => ({
    iteration,
    train_accuracy: trainAccuracy,
    test_accuracy: testAccuracy,
    test_loss: testLoss,
    deviation: iteration ? deviation : null,
  }));
}

export default { render };
