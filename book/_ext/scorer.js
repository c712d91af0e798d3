// How Sphinx's search weighs what it finds: chapters first, what is made from docstrings last.

const REFERENCE = /^(book\/api|genindex|py-modindex|book\/(status|ledger-runs))/;

var Scorer = {
  score: ([page, , , , score]) => (REFERENCE.test(page) ? score / 4 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
