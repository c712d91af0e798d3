// How Sphinx's search weighs what it finds: the front page first, then the glossary and chapters; what is made from
// docstrings last.

const REFERENCE = /^(book\/api|genindex|py-modindex|book\/(status|ledger-runs))/;

const FIRST = { "book/index": 3, "book/glossary": 3 };

const weight = page => FIRST[page] ?? (REFERENCE.test(page) ? 1 / 4 : 1);

var Scorer = {
  score: ([page, , , , score]) => weight(page) * score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
