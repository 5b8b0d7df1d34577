// One prompt with all its candidates: what was asked, what was answered, what the judges said, where it is in the context.

const ROWS = 40;
const PASSAGE_LIMIT = 700;
const TOLD = 25; // hundredths of probability from which the sentence of the context is shown

class PromptView {
  constructor(store, row, { prompt, words }) {
    Object.assign(this, { store, prompt, words });
    this.about = Object.fromEntries(Object.entries(store.columns).map(([name, column]) => [name, column[row]]));
    this.id = `${this.about.round}/${this.about.id}`;
    // The document that SummaC reads: in question answering the question is a sentence before the passages.
    const question = prompt.question && !prompt.summary ? [prompt.question] : [];
    this.parts = [...question, ...(prompt.passages || [])];
    this.firstPassage = question.length;
    this.document = this.parts.join("\n");
    this.passages = [];
  }

  node() {
    return element("article", { class: "prompt", "aria-label": `Prompt ${this.about.id}` }, ...this.head(), this.asked(), ...this.answers());
  }

  head() {
    const { about, store } = this;
    const drawn = this.prompt.candidates.filter((candidate) => !candidate.reference);
    const draws = drawn.reduce((sum, candidate) => sum + candidate.drawn.length, 0);
    const texts = new Set(drawn.map((candidate) => candidate.text)).size;
    const words = store.outcomes[about.outcome] || about.outcome;
    const outcome = words.startsWith("left out") ? words : `Chosen: ${words}`;
    const kicker = element("p", { class: "kicker" }, `round ${about.round} · ${this.prompt.objective.replaceAll("_", " ")} · `);
    kicker.append(element("code", {}, ...visible(about.id)));
    const title = element("h3", { tabindex: "-1", dir: "auto" }, ...visible(about.title));
    const summary = `${outcome[0].toUpperCase()}${outcome.slice(1)}. ${plural(draws, "candidate")}, ${plural(texts, "different text")}.`;
    return [kicker, title, element("p", { class: "outcome" }, summary), this.prompt.unanswerable && this.openNote()].filter(Boolean);
  }

  openNote() {
    const text = "The passages do not answer this question: only an answer that says so could be chosen.";
    return element("p", { class: "note" }, text);
  }

  asked() {
    const { prompt } = this;
    const node = element("details", { class: "asked", open: true }, element("summary", {}, "The prompt"));
    if (prompt.instruction) node.append(textBlock(prompt.instruction, { className: "text instruction" }));
    if (prompt.question) node.append(textBlock(prompt.question, { className: "text question" }));
    const list = element("ol", { class: "passages" });
    this.passages = (prompt.passages || []).map((passage, index) => {
      const item = element("li", { "aria-label": `Passage ${index + 1}` }, textBlock(passage, { limit: PASSAGE_LIMIT }));
      list.append(item);
      return item;
    });
    if (this.passages.length) node.append(list);
    if (prompt.constraints) node.append(element("p", { class: "meta" }, `Constraints checked by rule: ${prompt.constraints.join(", ")}`));
    for (const reference of prompt.references || []) {
      node.append(element("p", { class: "meta" }, "Another reference:"), textBlock(reference));
    }
    return node;
  }

  answers() {
    const { candidates } = this.prompt;
    if (!candidates.length) return [element("p", { class: "note" }, "No candidate was drawn.")];
    return candidates.map((candidate) => this.answer(candidate));
  }

  answer(candidate) {
    const { rank } = candidate;
    const isChosen = rank !== undefined;
    const suffixes = candidate.drawn.map((draw) => this.store.draws[draw][0]);
    const link = element("a", { class: "permalink", href: `#candidate=${encodeURIComponent(`${this.id}/${suffixes[0]}`)}`, "aria-label": "Link to this candidate" }, "#");
    const total = element("div", { class: "total" }, score(candidate.score), " ", element("small", {}, this.role(candidate, rank)), link);
    const groundings = Object.entries(candidate.grounding || {});
    const marks = groundings.length ? this.marks(...groundings[0]) : [];
    const body = element("div", {}, textBlock(candidate.text, { marks }), this.arithmetic(candidate), this.verdicts(candidate));
    for (const [judge, numbers] of groundings) body.append(this.evidence(judge, numbers, candidate, isChosen));
    for (const [judge, place] of Object.entries(candidate.span || {})) body.append(this.span(judge, place));
    const said = this.said(candidate);
    if (said) body.append(said);
    const name = isChosen ? "Chosen answer" : candidate.reference ? "Reference answer" : "Candidate";
    const node = element("section", { class: `answer${isChosen ? " chosen" : ""}${candidate.out !== undefined ? " out" : ""}`, "aria-label": name, tabindex: "-1" }, total, body);
    node.draws = suffixes;
    return node;
  }

  // Why a candidate is where it is.
  role(candidate, rank) {
    const { about, store } = this;
    if (rank !== undefined) return rank ? `chosen too, ${rank + 1}${rank === 1 ? "nd" : rank === 2 ? "rd" : "th"}` : about.outcome === "tie" ? "chosen, drawn among equals" : "chosen";
    if (candidate.reference) return "reference: compared, never chosen";
    if (candidate.out !== undefined) return `not chosen: ${store.outs[candidate.out]}`;
    if (candidate.rejected) return "rejected answer of the pair";
    if (about.chosen === null || candidate.score === undefined) return "not chosen";
    const behind = about.chosen - candidate.score;
    return behind === 0 ? "the same score, lost the draw" : `${score(Math.abs(behind))} ${behind > 0 ? "behind" : "ahead"}`;
  }

  // Aspect → mean score over the judges that select, as the score adds them up.
  partsOf(candidate) {
    const parts = new Map();
    this.verdictsOf(candidate).forEach(({ judge, value }) => {
      const { aspect, heldOut } = this.store.judges[judge];
      if (!heldOut && typeof value === "number") parts.set(aspect, [...(parts.get(aspect) || []), value]);
    });
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

  // 2.347 = 1 × .520 task + 2 × .913 faithfulness
  arithmetic(candidate) {
    const parts = this.partsOf(candidate);
    const weights = this.store.weights[this.about.round] || {};
    const node = element("p", { class: "meta arithmetic" });
    if (candidate.score === undefined) node.append("no weighted score");
    else {
      const terms = parts.map(([aspect, value]) => `${weights[aspect] ?? 0} × ${score(value, 3)} ${aspect}`);
      node.append(`${score(candidate.score, 3)} = ${terms.join(" + ") || "0"}`);
    }
    if (!candidate.reference) node.append(` · ${this.decoding(candidate)}`);
    if (candidate.cut) node.append(" · cut off");
    return node;
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
      const more = [own !== undefined && `its own number ${String(own).replace("-", "−")}`, heldOut && "held out"].filter(Boolean);
      const node = element("li", { title: `${name} ${version}` }, element("b", {}, word), ` ${name}, ${aspect}`);
      if (more.length) node.append(element("small", {}, ` (${more.join(", ")})`));
      return node;
    });
    return items.length ? element("ul", { class: "verdicts", "aria-label": "Verdicts" }, items) : null;
  }

  said(candidate) {
    const words = Object.entries(Object.assign({}, ...candidate.drawn.map((draw) => this.words[this.store.draws[draw][0]])));
    if (!words.length) return null;
    const node = element("details", {}, element("summary", {}, "What the judges said"));
    for (const [judge, text] of words) {
      node.append(element("p", { class: "meta" }, this.store.judges[judge].name), textBlock(text, { limit: PASSAGE_LIMIT }));
    }
    return node;
  }

  // [{start, end, premise, entailment, refuter, contradiction, supported}], probabilities in hundredths.
  sentences(numbers) {
    const found = [];
    let end = 0;
    for (let i = 0; i < numbers.length; i += 6) {
      const [step, length, premise, entailment, refuter, contradiction] = numbers.slice(i, i + 6);
      const start = end + step;
      end = start + length;
      const supported = entailment - contradiction >= 100 * this.store.supported;
      found.push({ start, end, premise, entailment, refuter, contradiction, supported });
    }
    return found;
  }

  marks(judge, numbers) {
    return this.sentences(numbers).map(({ start, end, supported }, index) => ({
      start,
      end,
      wrap: (nodes) => {
        const words = `sentence ${index + 1}, ${supported ? "supported" : "not supported"}`;
        const sign = element("sup", { role: "img", "aria-label": words, title: words }, `${supported ? "✓" : "✗"}${index + 1}`);
        return element("span", { class: supported ? "sentence" : "sentence unsupported" }, ...nodes, sign);
      },
    }));
  }

  evidence(judge, numbers, candidate, isOpen) {
    const sentences = this.sentences(numbers);
    const missing = sentences.filter((sentence) => !sentence.supported).length;
    const said = missing ? `${missing} of ${plural(sentences.length, "sentence")} not supported` : sentences.length === 1 ? "the sentence is supported" : `all ${sentences.length} sentences are supported`;
    const title = sentences.length ? `Evidence: ${said}` : "Evidence: no sentence is long enough to be judged";
    const node = element("details", { class: "evidence", open: isOpen }, element("summary", {}, title));
    const list = element("ol", {});
    const show = (shown) => {
      list.replaceChildren(...sentences.slice(0, shown).map((sentence) => this.support(judge, sentence, candidate)));
      if (shown < sentences.length) {
        const more = element("button", { type: "button", class: "quiet" }, `show all ${count(sentences.length)} sentences`);
        more.addEventListener("click", () => show(sentences.length));
        list.append(element("li", { class: "more" }, more));
      }
    };
    show(ROWS);
    node.append(list);
    return node;
  }

  // A sentence of the answer beside the sentences of the context that speak for it and against it.
  support(judge, sentence, candidate) {
    const own = candidate.text.slice(sentence.start, sentence.end);
    const sign = sentence.supported ? "✓ supported" : "✗ not supported";
    const entails = sentence.entailment < TOLD
      ? element("p", { class: "meta" }, `no sentence entails it (at most ${score(10 * sentence.entailment)})`)
      : this.source(judge, sentence.premise, `entails it, ${score(10 * sentence.entailment)}`);
    const sides = [entails];
    const isDoubted = !sentence.supported && sentence.entailment >= 100 * this.store.supported;
    if (sentence.contradiction >= TOLD || isDoubted) {
      sides.push(this.source(judge, sentence.refuter, `contradicts it, ${score(10 * sentence.contradiction)}`));
    }
    const claim = element("div", {}, element("p", { class: `sign ${sentence.supported ? "" : "down"}` }, sign), textBlock(own));
    return element("li", { class: sentence.supported ? "" : "unsupported" }, claim, element("div", {}, sides));
  }

  source(judge, number, words) {
    const [start, end] = this.places(judge)[number - 1];
    const { part, from } = this.partAt(start);
    const passage = part - this.firstPassage;
    const where = passage < 0 ? "the question" : `passage ${passage + 1}`;
    const node = element("div", { class: "source" });
    const label = element("p", { class: "meta" });
    if (passage < 0) label.append(where);
    else {
      const button = element("button", { type: "button", class: "quiet" }, where);
      button.addEventListener("click", () => this.reveal(passage, start - from, end - from));
      label.append(button);
    }
    label.append(` ${words}`);
    node.append(label, textBlock(this.document.slice(start, end)));
    return node;
  }

  places(judge) {
    const steps = this.prompt.documents[judge];
    const found = [];
    let end = 0;
    for (let i = 0; i < steps.length; i += 2) {
      const start = end + steps[i];
      end = start + steps[i + 1];
      found.push([start, end]);
    }
    return found;
  }

  partAt(place) {
    let from = 0;
    for (let part = 0; part < this.parts.length; part++) {
      if (place <= from + this.parts[part].length) return { part, from };
      from += this.parts[part].length + 1;
    }
    return { part: this.parts.length - 1, from: 0 };
  }

  span(judge, place) {
    const { name } = this.store.judges[judge];
    if (!place.length) {
      return element("p", { class: "sign down" }, "✗ not a span of the passages ", element("small", {}, `(${name})`));
    }
    const [passage, start, end] = place;
    const text = this.prompt.passages[passage];
    const from = whole(text, Math.max(0, start - 110));
    const until = whole(text, Math.min(text.length, end + 110));
    const button = element("button", { type: "button", class: "quiet" }, `passage ${passage + 1}`);
    button.addEventListener("click", () => this.reveal(passage, start, end));
    const label = element("p", { class: "meta" }, element("span", { class: "sign" }, "✓ a span of "), button);
    const around = element("div", { class: "text", dir: "auto" });
    around.append(from ? "…" : "", ...visible(text.slice(from, start)), element("mark", {}, ...visible(text.slice(start, end))), ...visible(text.slice(end, until)), until < text.length ? "…" : "");
    return element("div", { class: "source" }, label, around);
  }

  // Mark a place in a passage and go there.
  reveal(passage, start, end) {
    const item = this.passages[passage];
    const mark = { start, end, wrap: (nodes) => element("mark", { tabindex: "-1" }, ...nodes) };
    item.replaceChildren(textBlock(this.prompt.passages[passage], { marks: [mark], limit: Math.max(PASSAGE_LIMIT, end + 200) }));
    item.closest("details").open = true;
    const node = item.querySelector("mark");
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
  }
}
