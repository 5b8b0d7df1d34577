// Untrusted texts as nodes: never as markup, hidden characters as escapes, long ones cut until asked for.

const LIMIT = 1200;
const HIDDEN = /(?![\n\t\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// An element with attributes and children, in any nesting of lists; strings become text nodes, nothing stays out.
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => ![null, undefined, false, ""].includes(child)));
  return node;
}

// A button that looks like a link.
function button(text, act) {
  const node = element("button", { type: "button", class: "quiet" }, text);
  node.addEventListener("click", act);
  return node;
}

function escaped(character) {
  if (character === "\r") return "\\r";
  const hex = character.codePointAt(0).toString(16);
  const [letter, width] = hex.length < 3 ? ["x", 2] : hex.length < 5 ? ["u", 4] : ["U", 8];
  return `\\${letter}${hex.padStart(width, "0")}`;
}

// Text whose hidden characters can be seen.
function visible(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    nodes.push(text.slice(end, match.index), element("span", { class: "hidden-character" }, escaped(match[0])));
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

// A block of text. `marks` are {start, end, wrap}: `wrap` makes the element around a part of the text.
function textBlock(text, { marks = [], limit = LIMIT, className = "text" } = {}) {
  const node = element("div", { class: className, dir: "auto" });
  const fill = (length) => {
    node.replaceChildren();
    let at = 0;
    for (const { start, end, wrap } of [...marks].sort((a, b) => a.start - b.start)) {
      if (start < at || start >= length) continue;
      node.append(...visible(text.slice(at, start)), wrap(visible(text.slice(start, Math.min(end, length)))));
      at = Math.min(end, length);
    }
    node.append(...visible(text.slice(at, length)));
    if (length < text.length) {
      node.append("… ", button(`show all ${count(text.length)} characters`, () => fill(text.length)));
    }
    if (!text) node.append(element("span", { class: "meta" }, "(empty)"));
  };
  fill(text.length > 1.2 * limit ? whole(text, limit) : text.length);
  return node;
}

// A length at which no character is torn in two.
function whole(text, length) {
  return /[\ud800-\udbff]/.test(text[length - 1]) ? length - 1 : length;
}

const count = (number) => number.toLocaleString("en-US");
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// Thousandths as the report writes scores: .76, 2.31, −.04.
function score(thousandths, digits = 2) {
  if (thousandths === null || thousandths === undefined) return "–";
  const text = (Math.abs(thousandths) / 1000).toFixed(digits).replace(/^0\./, ".");
  return (thousandths < 0 && Number(text) ? "−" : "") + text;
}
