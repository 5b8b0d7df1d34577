// A row of the list: what a prompt is, and how its candidates' scores lie.

function optionOf({ store, rows, ceiling }, row, place) {
  const { columns: c, sets } = store;
  const from = [
    sets[c.set[row]],
    c.outcome[row] === "tie" && "tie",
    c.chosen[row] === null && "left out",
    c.unsupported[row] > 0 && `✗ ${c.unsupported[row]}`,
  ];
  const state = {
    role: "option",
    id: `option-${row}`,
    "data-row": row,
    "aria-selected": "false",
    "aria-setsize": rows.length,
    "aria-posinset": place + 1,
  };
  return element(
    "div",
    state,
    element("span", { class: "value" }, score(c.chosen[row])),
    element("span", { class: "title", dir: "auto" }, visible(c.title[row])),
    element("span", { class: "from" }, visible(from.filter(Boolean).join(" · "))),
    strip(c, row, ceiling),
  );
}

// The scores of a prompt's candidates on one line: each a stroke, the chosen one a disc, the reference a diamond.
function strip(c, row, ceiling) {
  const x = (value) => (4 + (262 * value) / ceiling).toFixed(1);
  const svg = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const strokes = [...new Set(c.scores[row])].filter((value) => value !== null);
  const node = svg("svg", { viewBox: "0 0 270 10", class: "strip", "aria-hidden": "true" });
  const marks = strokes.map((value) => `M${x(value)} 2V8`).join("");
  node.append(svg("path", { class: "base", d: "M4 5H266" }), svg("path", { class: "strokes", d: marks }));
  if (c.gold[row] !== null) {
    node.append(svg("path", { class: "reference", d: `M${x(c.gold[row])} 1.5l3.5 3.5l-3.5 3.5l-3.5 -3.5z` }));
  }
  if (c.chosen[row] !== null) node.append(svg("circle", { class: "winner", cx: x(c.chosen[row]), cy: 5, r: 4 }));
  return node;
}
