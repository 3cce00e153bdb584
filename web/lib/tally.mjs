// Votes on pairs of videos, and how they are counted.

/** One vote of each voter on each question of each pair: the last one. */
export function lastVotes(votes) {
  const last = new Map();
  for (const vote of votes) last.set(JSON.stringify([vote.voter, vote.scene, vote.baseline, vote.question]), vote);
  return [...last.values()];
}

/** For each baseline and question: of how many pairs the majority of voters prefers the baseline, as in the paper's
 * table 1. A tie prefers neither. */
export function counts(votes, baselines, questions) {
  const last = lastVotes(votes);
  return baselines.flatMap((baseline) => questions.map((question) => {
    const margins = new Map(); // scene -> votes for the baseline less those for ours
    for (const vote of last) {
      if (vote.baseline !== baseline || vote.question !== question) continue;
      margins.set(vote.scene, (margins.get(vote.scene) ?? 0) + (vote.choice === "baseline" ? 1 : -1));
    }
    const all = [...margins.values()];
    const preferred = all.filter((margin) => margin > 0).length;
    return { baseline, question, pairs: all.length, baselinePreferred: preferred,
      ties: all.filter((margin) => margin === 0).length, share: all.length ? preferred / all.length : null };
  }));
}

/** The votes of a saved file; an Error says why they do not belong to this study. */
export function readVotes(text, study) {
  let saved = null;
  try { saved = JSON.parse(text); } catch { throw new Error("it is not JSON"); }
  if (saved?.format !== "animate124 votes" || !Array.isArray(saved.votes)) throw new Error("it holds no votes");
  if (saved.study !== study.study) throw new Error("its votes are on other videos");
  const pairs = new Set(study.pairs.map((pair) => JSON.stringify([pair.scene, pair.baseline])));
  const isVote = (vote) => typeof vote?.voter === "string" && ["baseline", "ours"].includes(vote.choice)
    && vote.question in study.questions && pairs.has(JSON.stringify([vote.scene, vote.baseline]));
  if (!saved.votes.every(isVote)) throw new Error("some of its votes are on no pair of this page");
  return saved.votes.map(({ voter, scene, baseline, question, choice }) => ({ voter, scene, baseline, question, choice }));
}
