// What readers guess: kept by their own browser, on this page and on later visits, and sent nowhere.

import { rounded } from "./wording.js";

const CHANGED = "rfm-guess";
const SHARED = Symbol.for("rfm-tutorial guesses");
const PREFIX = "rfm-tutorial guess ";

// Each explorable runs a copy of this script of its own; what is kept on the page, they share.
globalThis[SHARED] ??= new Map();
const onPage = globalThis[SHARED];

// Undefined where the reader's settings allow none.
function storage() {
  try {
    return globalThis.localStorage ?? undefined;
  } catch {
    return undefined;
  }
}

// Whether guesses outlast the page.
const lasting = () => storage() !== undefined;

// The text that is kept for a guess; "" if there is none.
function kept({ key }) {
  if (!onPage.has(key)) onPage.set(key, storage()?.getItem(PREFIX + key) ?? "");
  return onPage.get(key);
}

function keep({ key }, text) {
  onPage.set(key, text);
  try {
    if (text) storage()?.setItem(PREFIX + key, text);
    else storage()?.removeItem(PREFIX + key);
  } catch {
    // A full storage: it is kept for as long as the page is open.
  }
  document.dispatchEvent(new CustomEvent(CHANGED));
}

// Call `update` whenever a guess changes, on this page or on another that shows the same chapter.
function followKept(update, cleanups) {
  const elsewhere = ({ key }) => {
    if (key === null) onPage.clear();
    else if (key.startsWith(PREFIX)) onPage.delete(key.slice(PREFIX.length));
    else return;
    update();
  };
  document.addEventListener(CHANGED, update);
  window.addEventListener("storage", elsewhere);
  cleanups.push(() => {
    document.removeEventListener(CHANGED, update);
    window.removeEventListener("storage", elsewhere);
  });
}

// The number that someone typed, NaN if it is none: "0.5", "0,5", "1,000", "−2", "30 %" if % is the unit.
function numberIn(text, unit = "") {
  let bare = text.trim().replace("−", "-");
  if (unit && bare.endsWith(unit)) bare = bare.slice(0, -unit.length).trim();
  if (/^-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(bare)) bare = bare.replaceAll(",", "");
  bare = bare.replace(",", ".");
  return /^[-+]?(\d+\.?\d*|\.\d+)$/.test(bare) ? Number(bare) : Number.NaN;
}

const quoted = words => `“${words}”`;

// What is kept for a guess in words; "" if there is nothing, or nothing that the question asks for.
function inWords(guess) {
  const text = kept(guess);
  if (guess.choices.length) return guess.choices.includes(text) ? quoted(text) : "";
  const number = numberIn(text, guess.unit);
  return Number.isNaN(number) ? "" : `${number} ${guess.unit}`.trim();
}

// The answer, as Python wrote it, in the same form.
function answerInWords(guess, answer) {
  return guess.choices.length ? quoted(answer) : `${answer} ${guess.unit}`.trim();
}

function isRight(guess, answer) {
  if (guess.choices.length) return kept(guess) === answer;
  return rounded(numberIn(kept(guess), guess.unit), guess.digits) === answer;
}

// The same words as in Python, where nothing is known of a guess.
function made(guesses) {
  return `Guesses made: ${guesses.filter(inWords).length} of ${guesses.length}.`;
}

// Where on a page the field for a guess is.
const placeOf = ({ key }) => `rfm-guess-${key.replace("/", "-")}`;

export { answerInWords, followKept, inWords, isRight, keep, kept, lasting, made, numberIn, placeOf };
