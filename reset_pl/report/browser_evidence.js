// Where the judges found an answer in its context: sentence beside sentence, or the span in its passage.

const ROWS = 40;
const TOLD = 25; // hundredths of probability from which the sentence of the context is shown

class Evidence {
  constructor(store, prompt) {
    Object.assign(this, { store, prompt });
    // The document that SummaC reads: in question answering the question is a sentence before the passages.
    const question = prompt.question && !prompt.summary ? [prompt.question] : [];
    this.parts = [...question, ...(prompt.passages || [])];
    this.firstPassage = question.length;
    this.document = this.parts.join("\n");
    this.passages = []; // the nodes in which the passages are shown
  }

  // Steps and lengths, a pair among so many numbers each, as [start, end] in a text.
  places(numbers, stride = 2) {
    const found = [];
    let end = 0;
    for (let i = 0; i < numbers.length; i += stride) {
      const start = end + numbers[i];
      end = start + numbers[i + 1];
      found.push([start, end]);
    }
    return found;
  }

  // The answer's sentences with what the context says of each; probabilities in hundredths.
  sentences(numbers) {
    return this.places(numbers, 6).map(([start, end], index) => {
      const [premise, entailment, refuter, contradiction] = numbers.slice(6 * index + 2, 6 * index + 6);
      const supported = entailment - contradiction >= 100 * this.store.supported;
      return { start, end, premise, entailment, refuter, contradiction, supported };
    });
  }

  // The sentences as marks in the answer's own text, by the first judge that tells of them.
  marks(candidate) {
    const [numbers] = Object.values(candidate.grounding || {});
    return this.sentences(numbers || []).map(({ start, end, supported }, index) => {
      const words = `sentence ${index + 1}, ${supported ? "supported" : "not supported"}`;
      const sign = `${supported ? "✓" : "✗"}${index + 1}`;
      const wrap = (nodes) => {
        const note = element("sup", { role: "img", "aria-label": words, title: words }, sign);
        return element("span", { class: supported ? "sentence" : "sentence unsupported" }, nodes, note);
      };
      return { start, end, wrap };
    });
  }

  nodes(candidate, isOpen) {
    const groundings = Object.entries(candidate.grounding || {});
    const spans = Object.entries(candidate.span || {});
    return [
      ...groundings.map(([judge, numbers]) => this.grounding(judge, numbers, candidate.text, isOpen)),
      ...spans.map(([judge, place]) => this.span(judge, place)),
    ];
  }

  grounding(judge, numbers, text, isOpen) {
    const sentences = this.sentences(numbers);
    const node = element("details", { class: "evidence", open: isOpen });
    const list = element("ol", {});
    const show = (shown) => {
      list.replaceChildren(...sentences.slice(0, shown).map((sentence) => this.support(judge, sentence, text)));
      if (shown < sentences.length) {
        const more = button(`show all ${count(sentences.length)} sentences`, () => show(sentences.length));
        list.append(element("li", { class: "more" }, more));
      }
    };
    show(ROWS);
    node.append(element("summary", {}, `Evidence: ${this.summary(sentences)}`), list);
    return node;
  }

  summary(sentences) {
    const missing = sentences.filter((sentence) => !sentence.supported).length;
    if (!sentences.length) return "no sentence is long enough to be judged";
    if (sentences.length === 1) return `the sentence is ${missing ? "not supported" : "supported"}`;
    if (missing) return `${count(missing)} of ${count(sentences.length)} sentences not supported`;
    return `all ${count(sentences.length)} sentences are supported`;
  }

  // A sentence of the answer beside the sentences of the context that speak for it and against it.
  support(judge, { start, end, premise, entailment, refuter, contradiction, supported }, text) {
    const [entails, contradicts] = [entailment, contradiction].map((hundredths) => score(10 * hundredths));
    const isNear = entailment >= TOLD && premise > 0;
    const isAgainst = contradiction >= TOLD || (!supported && entailment >= 100 * this.store.supported);
    const sides = [
      isNear
        ? this.source(judge, premise, `entails it, ${entails}`)
        : element("p", { class: "meta" }, `no sentence entails it (at most ${entails})`),
      isAgainst && refuter > 0 && this.source(judge, refuter, `contradicts it, ${contradicts}`),
    ];
    const sign = supported ? "✓ supported" : "✗ not supported";
    const heading = element("p", { class: supported ? "sign" : "sign down" }, sign);
    const claim = element("div", {}, heading, textBlock(text.slice(start, end)));
    return element("li", { class: supported ? null : "unsupported" }, claim, element("div", {}, sides));
  }

  // A sentence of the context, and where it stands.
  source(judge, number, words) {
    const [start, end] = this.places(this.prompt.documents[judge])[number - 1];
    let part = 0;
    let from = 0;
    while (part < this.parts.length - 1 && start > from + this.parts[part].length) {
      from += this.parts[part].length + 1;
      part += 1;
    }
    const passage = part - this.firstPassage;
    const where = passage < 0 ? "the question" : this.link(passage, start - from, end - from);
    const text = textBlock(this.document.slice(start, end));
    return element("div", { class: "source" }, element("p", { class: "meta" }, where, ` ${words}`), text);
  }

  span(judge, place) {
    if (!place.length) {
      const name = element("small", {}, ` (${this.store.judges[judge].name})`);
      return element("p", { class: "sign down" }, "✗ not a span of the passages", name);
    }
    const [passage, start, end] = place;
    const text = this.prompt.passages[passage];
    const from = whole(text, Math.max(0, start - 110));
    const until = whole(text, Math.min(text.length, end + 110));
    const around = element(
      "div",
      { class: "text", dir: "auto" },
      from > 0 && "…",
      visible(text.slice(from, start)),
      element("mark", {}, visible(text.slice(start, end))),
      visible(text.slice(end, until)),
      until < text.length && "…",
    );
    const label = element("p", { class: "meta" }, "found in ", this.link(passage, start, end), " (a span)");
    return element("div", { class: "source" }, label, around);
  }

  link(passage, start, end) {
    return button(`passage ${passage + 1}`, () => this.reveal(passage, start, end));
  }

  // Mark a place in a passage and go there.
  reveal(passage, start, end) {
    const item = this.passages[passage];
    const mark = { start, end, wrap: (nodes) => element("mark", { tabindex: "-1" }, nodes) };
    const limit = Math.max(PASSAGE_LIMIT, end + 200);
    item.replaceChildren(textBlock(this.prompt.passages[passage], { marks: [mark], limit }));
    item.closest("details").open = true;
    const node = item.querySelector("mark");
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
  }
}
