// A blind comparison: pairs of videos in random order and on random sides, five questions each, votes kept and counted.

import { counts, lastVotes, readVotes } from "./tally.mjs";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function shuffled(items) {
  const rest = [...items];
  for (let k = rest.length - 1; k > 0; k--) {
    const other = Math.floor(Math.random() * (k + 1));
    [rest[k], rest[other]] = [rest[other], rest[k]];
  }
  return rest;
}

export class Study {
  /** data: study, ours, questions, pairs, scenes; see vote_page.py. */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.others = []; // votes of other people, from their files
    this.index = 0;
    const stored = this.stored();
    this.voter = stored?.voter ?? Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    // An entry of the order: which pair, and whether the baseline is at the left.
    this.order = stored?.order ?? shuffled(data.pairs.map((_, pair) => ({ pair, baselineLeft: Math.random() < 0.5 })));
    this.votes = stored?.votes ?? [];
    this.build();
    this.open(0);
  }

  /** What this browser kept of an earlier visit; a page on disk may have no storage. */
  stored() {
    try {
      const kept = JSON.parse(localStorage.getItem(`animate124 votes ${this.data.study}`));
      return kept?.order?.length === this.data.pairs.length ? kept : null;
    } catch { return null; }
  }

  keep() {
    const { voter, order, votes } = this;
    try {
      localStorage.setItem(`animate124 votes ${this.data.study}`, JSON.stringify({ voter, order, votes }));
    } catch { /* the file that is saved at the end has them */ }
  }

  build() {
    const button = (name, text, act) => element("button", { type: "button", name, textContent: text, onclick: act });
    this.progress = element("p", { id: "progress" });
    this.reference = element("img", { id: "reference", alt: "the picture" });
    this.caption = element("p", { id: "caption" });
    this.videos = [0, 1].map(() => element("video", { muted: true, loop: true, autoplay: true, playsInline: true, controls: true }));
    const figures = this.videos.map((video, k) => element("figure", {}, element("figcaption", { textContent: "AB"[k] }), video));
    this.questions = Object.entries(this.data.questions).map(([question, text]) => this.fieldset(question, text));
    this.load = element("input", { type: "file", id: "load", multiple: true, accept: ".json", onchange: () => this.add(this.load.files) });
    this.message = element("p", { id: "message", role: "status" });
    this.table = element("div", { id: "counts" });
    this.root.append(
      element("h1", { textContent: "Which one is better?" }),
      element("p", { textContent: "Each video shows the scene from the picture's side and, beside it, from all around. Answer what you can; a question may be left open." }),
      this.progress,
      element("div", { id: "about" }, this.reference, this.caption),
      element("div", { id: "videos" }, ...figures),
      ...this.questions,
      element("p", {}, button("previous", "Previous pair", () => this.open(this.index - 1)), " ",
        button("next", "Next pair", () => this.open(this.index + 1))),
      element("h2", { textContent: "When you are done" }),
      element("p", {}, button("save", "Save my votes", () => this.save()), " ", button("count", "Count the votes", () => this.count()), " ",
        element("label", {}, "Add the files of other voters: ", this.load)),
      this.message, this.table,
    );
  }

  fieldset(question, text) {
    const choices = ["A", "B"].map((side, k) => element("label", {},
      element("input", { type: "radio", name: question, value: side, onchange: () => this.vote(question, k) }), ` ${side}`));
    return element("fieldset", {}, element("legend", { textContent: text }), ...choices);
  }

  /** Show one pair of the order. */
  open(index) {
    this.index = Math.min(Math.max(index, 0), this.order.length - 1);
    const { pair, baselineLeft } = this.order[this.index];
    const { scene, baseline } = this.data.pairs[pair];
    const { caption, reference, videos } = this.data.scenes[scene];
    this.reference.src = reference;
    this.caption.textContent = caption;
    const names = baselineLeft ? [baseline, this.data.ours] : [this.data.ours, baseline];
    this.videos.forEach((video, k) => { video.src = videos[names[k]]; });
    const mine = lastVotes(this.votes).filter((vote) => vote.scene === scene && vote.baseline === baseline);
    for (const input of this.root.querySelectorAll("input[type=radio]")) {
      const choice = (input.value === "A") === baselineLeft ? "baseline" : "ours";
      input.checked = mine.some((vote) => vote.question === input.name && vote.choice === choice);
    }
    this.root.querySelector("[name=previous]").disabled = this.index === 0;
    this.root.querySelector("[name=next]").disabled = this.index === this.order.length - 1;
    this.say();
  }

  say() {
    const all = this.order.length * Object.keys(this.data.questions).length;
    this.progress.textContent = `Pair ${this.index + 1} of ${this.order.length}; ${lastVotes(this.votes).length} of ${all} questions answered.`;
  }

  /** side: 0 is A, at the left. */
  vote(question, side) {
    const { pair, baselineLeft } = this.order[this.index];
    const choice = (side === 0) === baselineLeft ? "baseline" : "ours";
    this.votes.push({ voter: this.voter, ...this.data.pairs[pair], question, choice });
    this.keep();
    this.say();
  }

  /** What a saved file holds: the votes of all files that were added, one of each voter, and their counts. */
  exported() {
    const votes = lastVotes([...this.others, ...this.votes]);
    const { study, ours, questions } = this.data;
    return { format: "animate124 votes", study, ours, questions, voters: new Set(votes.map((vote) => vote.voter)).size,
      votes, counts: this.counted(votes) };
  }

  counted(votes) {
    return counts(votes, [...new Set(this.data.pairs.map((pair) => pair.baseline))], Object.keys(this.data.questions));
  }

  save() {
    const text = JSON.stringify(this.exported(), null, 2);
    const link = element("a", { href: `data:application/json;charset=utf-8,${encodeURIComponent(text)}`, download: `votes-${this.voter}.json` });
    link.click();
  }

  async add(files) {
    const notes = [];
    for (const file of files) {
      try {
        const votes = readVotes(await file.text(), this.data).filter((vote) => vote.voter !== this.voter);
        this.others.push(...votes);
        notes.push(`${file.name}: ${votes.length} votes of others.`);
      } catch (error) { notes.push(`${file.name} was not added: ${error.message}.`); }
    }
    this.message.textContent = notes.join(" ");
    this.load.value = "";
    this.count();
  }

  /** The table of shares; it names the systems, so it is for the end. */
  count() {
    const { voters, counts: rows } = this.exported();
    const questions = Object.keys(this.data.questions);
    const head = element("tr", {}, ...["baseline", ...questions].map((text) => element("th", { textContent: text })));
    const lines = [...new Set(rows.map((row) => row.baseline))].map((baseline) => element("tr", {},
      element("th", { textContent: baseline }),
      ...rows.filter((row) => row.baseline === baseline).map(({ share, pairs, ties }) => element("td", {
        textContent: share === null ? "-" : `${share.toFixed(4)} of ${pairs}${ties ? ` (${ties} tied)` : ""}` }))));
    const text = `${voters} voter${voters === 1 ? "" : "s"}: share of pairs whose majority prefers the baseline to ${this.data.ours}.`;
    this.table.replaceChildren(element("p", { textContent: text }), element("table", {}, head, ...lines));
  }
}
