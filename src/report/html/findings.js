// Filters the findings. They are plain HTML; what does not fit is hidden, and so is a group of which
// nothing is left.
(() => {
  const form = document.getElementById("filters");
  if (form === null) return;
  const findings = [...document.querySelectorAll("#findings .groups .finding")];
  const groups = [...document.querySelectorAll("#findings .rule")];
  const words = new Map();  // what a search looks in, made at the first search

  const text_of = (finding) => {
    if (!words.has(finding)) {
      const rule = finding.closest(".rule").querySelector("h3").textContent;
      words.set(finding, `${rule} ${finding.textContent}`.toLowerCase());
    }
    return words.get(finding);
  };

  const apply = () => {
    const wanted = new FormData(form);
    const severities = new Set(wanted.getAll("severity"));
    const text = wanted.get("text").trim().toLowerCase();
    const chosen = ["family", "code", "artifact"].filter((name) => wanted.get(name) !== "");
    let shown = 0;
    for (const finding of findings) {
      finding.hidden = !severities.has(finding.dataset.severity) ||
        chosen.some((name) => finding.dataset[name] !== wanted.get(name)) ||
        (text !== "" && !text_of(finding).includes(text));
      if (!finding.hidden) shown += 1;
    }
    for (const group of groups) {
      group.hidden = group.querySelector(".finding:not([hidden])") === null;
    }
    form.querySelector("output").textContent =
      `${page.grouped(shown)} of ${page.grouped(findings.length)} shown`;
  };

  // A link to a finding that is filtered away shows all of them.
  const reveal = () => {
    const target = location.hash.startsWith("#finding-")
      ? document.getElementById(location.hash.slice(1)) : null;
    if (target === null) return;
    if (target.hidden) form.reset();
    const accepted = target.closest("details");
    if (accepted !== null) accepted.open = true;
    target.scrollIntoView();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  page.settled(form.elements.text, apply);
  addEventListener("hashchange", reveal);
  apply();
  form.hidden = false;
  reveal();
})();
