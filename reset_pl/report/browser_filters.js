// Which prompts are in the list, and in which order; `c` are the columns of the index.

// Name of a choice → whether a row is in it. The page's <option> elements carry these names.
const SHOWN = {
  all: () => true,
  chosen: (c, row) => c.chosen[row] !== null,
  left_out: (c, row, store) => (store.outcomes[c.outcome[row]] || "left out").startsWith("left out"),
  tie: (c, row) => c.outcome[row] === "tie",
  worse_than_gold: (c, row) => c.gold[row] !== null && c.chosen[row] !== null && c.chosen[row] < c.gold[row],
  unsupported: (c, row) => c.unsupported[row] > 0,
  failed: (c, row) => c.failed[row],
  declined: (c, row) => c.declined[row],
  cut: (c, row) => c.cut[row],
};

const spread = (c, row) => (c.scores[row].length ? Math.max(...c.scores[row]) - Math.min(...c.scores[row]) : -1);
const lead = (c, row) => (c.gold[row] === null || c.chosen[row] === null ? null : c.chosen[row] - c.gold[row]);

// Name of an order → the number that is sorted by, the highest first; rows without one come last.
const ORDERS = {
  spread,
  lowest: (c, row) => (c.chosen[row] === null ? null : -c.chosen[row]),
  highest: (c, row) => c.chosen[row],
  below_gold: (c, row) => (lead(c, row) === null ? null : -lead(c, row)),
  above_gold: lead,
  disagreement: (c, row) => c.disagreement[row],
  unsupported: (c, row) => c.unsupported[row],
  name: () => 0,
};
