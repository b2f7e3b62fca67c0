// How far each tensor of a series moved, as small multiples: one scale for all, logarithmic, since
// updates of one run lie decades apart; the median matrix behind each as a dashed line. Charts are
// made of as many tensors as are looked at.
(() => {
  const holder = document.getElementById("updates");
  const series = holder === null ? null : page.data("series-data");
  if (series === null) return;
  const {element, svg} = page;
  const CHUNK = 60;
  const WIDTH = 240, HEIGHT = 72, LEFT = 4, RIGHT = 236, TOP = 6, BOTTOM = 58, ZERO = 66;
  const steps = series.medians.length;

  const positive = (value) => typeof value === "number" && value > 0;
  let low = Infinity, high = -Infinity;
  for (const values of [series.medians, ...series.tracks.map((track) => track.updates)]) {
    for (const value of values) {
      if (!positive(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (!(low <= high)) [low, high] = [1e-3, 1];
  if (low === high) [low, high] = [low / 3, high * 3];
  const across = (i) => steps === 1 ? WIDTH / 2 : LEFT + (RIGHT - LEFT) * i / (steps - 1);
  const up = (value) => BOTTOM - (BOTTOM - TOP) *
    (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low));

  /** Pieces of a line; what is not known or not positive parts them. */
  const path_of = (values) => {
    let path = "", pen = "M";
    values.forEach((value, i) => {
      if (positive(value)) {
        path += `${pen}${across(i).toFixed(1)} ${up(value).toFixed(1)}`;
        pen = "L";
      } else {
        pen = "M";
      }
    });
    return path;
  };

  const place_of = (i) => {
    const to = series.checkpoints[i + 1];
    return to.step === "" ? to.name : `step ${to.step}`;
  };

  const summary_of = (track) => {
    const moved = track.updates.filter(positive);
    const still = track.updates.filter((value) => value === 0).length;
    const known = track.updates.filter((value) => value !== null).length;
    const parts = [];
    if (moved.length > 0) {
      const least = moved.reduce((a, b) => Math.min(a, b));
      const most = moved.reduce((a, b) => Math.max(a, b));
      parts.push(least === most ? `${least} an interval` : `${least} to ${most} an interval`);
    }
    if (still > 0) {
      parts.push(still === known ? `no movement in ${still} of ${steps} intervals`
        : `still in ${still} of ${steps}`);
    }
    if (known < steps) parts.push(`${steps - known} not known`);
    return parts.join(", ");
  };

  const chart_of = (track) => {
    const drawing = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
      "aria-label": `Relative updates over ${steps} intervals: ${summary_of(track)}`});
    drawing.append(svg("path", {class: "median", d: path_of(series.medians)}));
    drawing.append(svg("path", {class: "line", d: path_of(track.updates)}));
    const few = steps <= 40;
    track.updates.forEach((value, i) => {
      const x = across(i).toFixed(1);
      if (value === "infinite") {
        drawing.append(svg("path", {class: "bad", d: `M${x} ${TOP}V${BOTTOM}`}));
      } else if (value === 0) {
        drawing.append(svg("circle", {class: "zero", cx: x, cy: ZERO, r: few ? 2.5 : 1}));
      } else if (positive(value)) {
        const alone = !positive(track.updates[i - 1]) && !positive(track.updates[i + 1]);
        if (few || alone) {
          drawing.append(svg("circle", {class: "dot", cx: x, cy: up(value).toFixed(1), r: 2},
            svg("title", {}, `${place_of(i)}: ${value}`)));
        }
      }
    });
    if (track.at !== undefined) {
      const x = across(track.at).toFixed(1);
      drawing.append(svg("path", {class: "bad", d: `M${x} ${TOP - 4}V${ZERO}`},
        svg("title", {}, track.label)));
    }
    return drawing;
  };

  const card_of = (track) => element("li", {class: `card ${track.mark || ""}`},
    element("h3", {}, ...page.breakable(track.name)), chart_of(track),
    track.label ? element("p", {class: "label"}, track.label) : null,
    element("p", {}, summary_of(track) + (track.buffer ? ", a buffer" : "")));

  const form = element("form", {class: "filters", role: "search", "aria-label": "Filter tensors"});
  const field = (label, control) => element("label", {}, label, control);
  const choice = (name, options) => element("select", {name},
    ...options.map(([value, text]) => element("option", {value}, text)));
  const marked = series.tracks.filter((track) => track.mark).length;
  const text = element("input", {type: "search", name: "text", autocomplete: "off"});
  text.spellcheck = false;
  const kind = choice("kind", [["", `all (${page.grouped(series.tracks.length)})`],
    ["marked", `that stand out (${page.grouped(marked)})`], ["static", "that never moved"],
    ["moving", "that moved"]]);
  const order = choice("order", [["mark", "what stands out first"], ["place", "as in the model"],
    ["large", "largest update first"], ["name", "by name"]]);
  const outcome = element("output", {"aria-live": "polite"});
  form.append(field("Name", text), field("Tensors", kind), field("Order", order),
    element("div", {class: "outcome"}, outcome));
  const cards = element("ul", {class: "cards"});
  const more = element("button", {type: "button"}, "Show more");

  const largest = (track) => track.updates.reduce((most, value) =>
    Math.max(most, value === "infinite" ? Infinity : value ?? 0), 0);
  const orders = {
    mark: () => 0,  // as the data has them
    place: (a, b) => a.place - b.place,
    large: (a, b) => largest(b) - largest(a),
    name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  };
  let chosen = [], shown = 0;
  const grow = () => {
    cards.append(...chosen.slice(shown, shown + CHUNK).map(card_of));
    shown = Math.min(chosen.length, shown + CHUNK);
    more.hidden = shown === chosen.length;
    outcome.textContent = `${page.grouped(shown)} of ${page.grouped(chosen.length)} drawn`;
  };
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    chosen = series.tracks.filter((track) =>
      track.name.toLowerCase().includes(wanted) &&
      (kind.value !== "marked" || track.mark) &&
      (kind.value !== "static" || track.mark === "static") &&
      (kind.value !== "moving" || track.updates.some(positive)));
    if (order.value !== "mark") chosen.sort(orders[order.value]);
    cards.replaceChildren();
    shown = 0;
    grow();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", apply);
  page.settled(text, apply);
  more.addEventListener("click", grow);

  const shown_number = (value) => String(Number(value.toPrecision(2)));
  const key = element("p", {class: "key"},
    element("span", {}, `Each chart from ${shown_number(low)} to ${shown_number(high)}, ` +
      `logarithmic; intervals end at ${place_of(0)} to ${place_of(steps - 1)}.`),
    element("span", {}, "Dashed: the median matrix."),
    element("span", {}, "Rings at the bottom: no movement."));
  holder.append(form, key, cards, more);
  if (series.left_out > 0) {
    holder.append(element("p", {}, `${page.grouped(series.left_out)} more tensors are not on this ` +
      "page; the JSON report has all of them."));
  }
  const listed = document.querySelector("#series .listed");
  if (listed !== null) listed.open = false;
  apply();
})();
