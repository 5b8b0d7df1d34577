// One prompt with all its candidates: what was asked, what was answered, what the judges said, and which one won.

const PASSAGE_LIMIT = 700;

class PromptView {
  constructor(store, row, { prompt, words }) {
    Object.assign(this, { store, prompt, words });
    this.about = Object.fromEntries(Object.entries(store.columns).map(([name, column]) => [name, column[row]]));
    this.id = `${this.about.round}/${this.about.id}`;
    this.evidence = new Evidence(store, prompt);
  }

  node() {
    const label = `Prompt ${this.about.id}`;
    return element("article", { class: "prompt", "aria-label": label }, this.head(), this.asked(), this.answers());
  }

  head() {
    const { about, prompt, store } = this;
    const drawn = prompt.candidates.filter((candidate) => !candidate.reference);
    const draws = drawn.reduce((sum, candidate) => sum + candidate.drawn.length, 0);
    const texts = new Set(drawn.map((candidate) => candidate.text)).size;
    const words = store.outcomes[about.outcome] || about.outcome;
    const outcome = words.startsWith("left out") ? `L${words.slice(1)}` : `Chosen: ${words}`;
    const from = `round ${about.round} · ${prompt.objective.replaceAll("_", " ")} · `;
    const summary = `${outcome}. ${plural(draws, "candidate")}, ${plural(texts, "different text")}.`;
    const open = "The passages do not answer this question: only an answer that says so could be chosen.";
    return [
      element("p", { class: "kicker" }, from, element("code", {}, visible(about.id))),
      element("h3", { tabindex: "-1", dir: "auto" }, visible(about.title)),
      element("p", { class: "outcome" }, summary),
      prompt.unanswerable && element("p", { class: "note" }, open),
    ];
  }

  asked() {
    const { instruction, question, passages = [], references = [], constraints } = this.prompt;
    const node = element("details", { class: "asked", open: true }, element("summary", {}, "The prompt"));
    if (instruction) node.append(textBlock(instruction, { className: "text instruction" }));
    if (question) node.append(textBlock(question, { className: "text question" }));
    const items = passages.map((passage, index) =>
      element("li", { "aria-label": `Passage ${index + 1}` }, textBlock(passage, { limit: PASSAGE_LIMIT })),
    );
    this.evidence.passages = items;
    if (items.length) node.append(element("ol", { class: "passages" }, items));
    if (constraints) {
      node.append(element("p", { class: "meta" }, `Constraints checked by rule: ${constraints.join(", ")}`));
    }
    for (const reference of references) {
      node.append(element("p", { class: "meta" }, "Another reference:"), textBlock(reference));
    }
    return node;
  }

  answers() {
    const { candidates } = this.prompt;
    if (!candidates.length) return element("p", { class: "note" }, "No candidate was drawn.");
    return candidates.map((candidate) => this.answer(candidate));
  }

  answer(candidate) {
    const isChosen = candidate.rank !== undefined;
    const suffixes = candidate.drawn.map((draw) => this.store.draws[draw][0]);
    const href = `#candidate=${encodeURIComponent(`${this.id}/${suffixes[0]}`)}`;
    const link = element("a", { class: "permalink", href, "aria-label": "Link to this candidate" }, "#");
    const role = element("small", {}, this.role(candidate));
    const total = element("div", { class: "total" }, score(candidate.score), " ", role, link);
    const body = element(
      "div",
      {},
      textBlock(candidate.text, { marks: this.evidence.marks(candidate) }),
      this.arithmetic(candidate),
      this.verdicts(candidate),
      this.evidence.nodes(candidate, isChosen),
      this.said(candidate),
    );
    const label = isChosen ? "Chosen answer" : candidate.reference ? "Reference answer" : "Candidate";
    const states = ["answer", isChosen && "chosen", candidate.out !== undefined && "out"].filter(Boolean);
    const node = element("section", { class: states.join(" "), "aria-label": label, tabindex: "-1" }, total, body);
    node.draws = suffixes;
    return node;
  }

  // Why a candidate is where it is.
  role({ rank, reference, out, rejected, score: own }) {
    const { about, store } = this;
    if (rank === 0) return about.outcome === "tie" ? "chosen, drawn among equals" : "chosen";
    if (rank) return `chosen too, number ${rank + 1}`;
    if (reference) return "reference: compared, never chosen";
    if (out !== undefined) return `not chosen: ${store.outs[out]}`;
    if (rejected) return "rejected answer of the pair";
    if (about.chosen === null || own === undefined) return "not chosen";
    const behind = about.chosen - own;
    if (behind === 0) return "the same score, lost the draw";
    return `${score(Math.abs(behind))} ${behind > 0 ? "behind" : "ahead"}`;
  }

  // Aspect → mean score over the judges that select, as the score adds them up.
  partsOf(candidate) {
    const parts = new Map();
    for (const { judge, value } of this.verdictsOf(candidate)) {
      const { aspect, heldOut } = this.store.judges[judge];
      if (!heldOut && typeof value === "number") parts.set(aspect, [...(parts.get(aspect) || []), value]);
    }
    return [...parts].map(([aspect, values]) => [aspect, values.reduce((sum, value) => sum + value) / values.length]);
  }

  // [{judge, value, own}]: a score in thousandths or a status, and the judge's own number where it is another.
  verdictsOf(candidate) {
    const said = (candidate.verdicts || []).map((verdict, index) => {
      const [value, own] = [verdict].flat();
      return { judge: this.prompt.judges[index], value, own };
    });
    return said.filter(({ value }) => value !== null);
  }

  // 2.347 = 1 × .520 task + 2 × .913 faithfulness · temperature 0.3
  arithmetic(candidate) {
    const weights = this.store.weights[this.about.round] || {};
    const parts = this.partsOf(candidate);
    const terms = parts.map(([aspect, value]) => `${weights[aspect] ?? 0} × ${score(value, 3)} ${aspect}`);
    const sum = `${score(candidate.score, 3)} = ${terms.join(" + ") || "0"}`;
    const words = [candidate.score === undefined ? "no weighted score" : sum];
    if (!candidate.reference) words.push(this.decoding(candidate));
    if (candidate.cut) words.push("cut off");
    return element("p", { class: "meta arithmetic" }, words.join(" · "));
  }

  // Every setting that drew this text: "temperature 0.1, 0.3 ×2; top_k 5".
  decoding(candidate) {
    const axes = new Map();
    for (const draw of candidate.drawn) {
      const [axis, value = ""] = this.store.draws[draw][1].split("=");
      const values = axes.get(axis) || axes.set(axis, new Map()).get(axis);
      values.set(value, (values.get(value) || 0) + 1);
    }
    const times = ([value, number]) => (number > 1 ? `${value} ×${number}` : value);
    return [...axes].map(([axis, values]) => `${axis} ${[...values].map(times).join(", ")}`.trim()).join("; ");
  }

  verdicts(candidate) {
    const items = this.verdictsOf(candidate).map(({ judge, value, own }) => {
      const { name, aspect, version, heldOut } = this.store.judges[judge];
      const word = typeof value === "number" ? score(value) : value === "failed" ? "✗ failed" : value;
      const number = own !== undefined && `its own number ${String(own).replace("-", "−")}`;
      const more = [number, heldOut && "held out"].filter(Boolean).join(", ");
      const text = [element("b", {}, word), ` ${name}, ${aspect}`, more && element("small", {}, ` (${more})`)];
      return element("li", { title: `${name} ${version}` }, text);
    });
    return items.length > 0 && element("ul", { class: "verdicts", "aria-label": "Verdicts" }, items);
  }

  said(candidate) {
    const suffixes = candidate.drawn.map((draw) => this.store.draws[draw][0]);
    const words = Object.entries(Object.assign({}, ...suffixes.map((suffix) => this.words[suffix])));
    const texts = words.map(([judge, text]) => [
      element("p", { class: "meta" }, this.store.judges[judge].name),
      textBlock(text, { limit: PASSAGE_LIMIT }),
    ]);
    return words.length > 0 && element("details", {}, element("summary", {}, "What the judges said"), texts);
  }
}
