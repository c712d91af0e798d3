// Numbers in words, the same as wording.py writes them.

// The same digits as Python's f"{value:.{digits}f}": no "-0.00".
function fixed(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

// The same digits as wording.rounded in Python, for numbers that differ by rounding errors, too.
const rounded = (value, digits) => fixed(value + 1e-9, digits);

// "2", "2 and 8", "2, 5 and 8"
function listing(items) {
  return items.length < 2 ? `${items[0]}` : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

export { fixed, listing, rounded };
