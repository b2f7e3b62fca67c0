// The tree of modules and tensors. The data lists the nodes in preorder; elements are made of a
// node's children when it is opened, and of no more than CHUNK at a time, so that a model with a
// hundred thousand tensors costs no more than what is looked at.
(() => {
  const CHUNK = 200;
  const {element, svg} = page;

  /** For each node the place after its last descendant. */
  const ends_of = (nodes) => {
    const ends = new Array(nodes.length).fill(nodes.length);
    const open = [];
    nodes.forEach((node, place) => {
      while (open.length > 0 && nodes[open.at(-1)].depth >= node.depth) ends[open.pop()] = place;
      open.push(place);
    });
    return ends;
  };

  const histogram = (spread, width, height) => {
    const step = width / spread.heights.length;
    const bars = spread.heights.flatMap((share, i) => {
      const tall = Math.max(share / 100 * height, share > 0 ? 1 : 0);
      return share === 0 ? [] : [svg("rect", {class: "bar", x: (i * step).toFixed(2),
        y: (height - tall).toFixed(2), width: Math.max(step - 0.6, 0.6).toFixed(2),
        height: tall.toFixed(2)})];
    });
    const zero = -spread.first * step;
    return {bars, zero};
  };

  const mini = (spread) => {
    const {bars} = histogram(spread, 72, 20);
    return svg("svg", {class: "mini", viewBox: "0 0 72 20", "aria-hidden": "true"}, ...bars);
  };

  const edge_text = (spread, at) => String(Number((at * 2 ** spread.exponent).toPrecision(3)));

  const figure = (spread) => {
    const {bars, zero} = histogram(spread, 340, 90);
    const most = edge_text(spread, 1);
    const least = spread.first < 0 ? edge_text(spread, -1) : "0";
    const beyond = [];
    if (spread.below) beyond.push(`${page.grouped(spread.below)} below`);
    if (spread.above) beyond.push(`${page.grouped(spread.above)} above`);
    const label = (x, anchor, text) =>
      svg("text", {x, y: 106, "text-anchor": anchor}, text);
    const drawing = svg("svg", {viewBox: "0 0 340 112", role: "img",
      "aria-label": `Histogram of the numbers from ${least} to ${most}`}, ...bars,
      svg("line", {class: "axis", x1: 0, x2: 340, y1: 90.5, y2: 90.5}),
      label(0, "start", least), spread.first < 0 ? label(zero, "middle", "0") : null,
      label(340, "end", most));
    return element("figure", {}, drawing, element("figcaption", {},
      `Numbers from ${least} to ${most}, the highest bar at full height` +
      (beyond.length > 0 ? `; ${beyond.join(" and ")} the scale.` : ".")));
  };

  const list_of = (rows) => element("dl", {}, ...rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));

  const links_of = (marks) => marks.map((mark) => {
    const finding = document.getElementById(`finding-${mark}`);
    const message = [...finding.querySelector("h4").childNodes].slice(1)
      .map((part) => part.textContent).join("").trim();
    return element("a", {href: `#${finding.id}`}, `${finding.dataset.code}: ${message}`);
  });

  const detail_of = (node) => {
    const rows = [["role", node.role]];
    const numbers = node.numbers;
    if (node.elements !== undefined) rows.push(["elements", page.grouped(node.elements)]);
    if (node.aliases) {
      rows.push(["also at", node.aliases.join(", ") +
        (node.more_aliases ? ` and ${node.more_aliases} more` : "")]);
    }
    if (numbers) {
      if (numbers.min !== undefined) {
        rows.push(["range", `${numbers.min} to ${numbers.max}`], ["mean", numbers.mean]);
      }
      if (numbers.deviation !== undefined) rows.push(["deviation", numbers.deviation]);
      for (const name of ["zero", "nan", "infinite"]) {
        if (numbers[name]) rows.push([name === "nan" ? "NaN" : name, page.grouped(numbers[name])]);
      }
    }
    if (node.marks) rows.push(["found", element("span", {class: "marks"}, ...links_of(node.marks))]);
    return element("div", {class: "detail"}, list_of(rows),
      numbers && numbers.spread ? figure(numbers.spread) : null);
  };

  const badge = (node, own) => {
    if (!node.findings) return element("span", {class: "found"});
    return element("span", {class: "found"},
      element("span", {class: `badge ${node.worst}`}, node.worst),
      ` ${page.grouped(node.findings)} ${own ? "here" : "below"}`);
  };

  const row_of = (node, is_tensor) => {
    const what = element("span", {class: "what"}, node.name === "" ? "(model)" : node.name);
    if (node.class) what.append(element("span", {class: "class"}, `  ${node.class}`));
    if (node.mode) what.append(element("span", {class: "mode"}, `  ${node.mode}`));
    if (node.unregistered) what.append(element("span", {class: "mode"}, "  not registered"));
    const spread = node.numbers && node.numbers.spread;
    const size = is_tensor ? (node.shape === "" ? "scalar" : node.shape)
      : node.tensors === 0 ? "" : `${page.short(node.parameters)} parameters`;
    const title = is_tensor ? null : `${page.grouped(node.parameters)} numbers in parameters, ` +
      `${page.grouped(node.tensors)} tensors`;
    return element("span", {class: "row"}, what,
      element("span", {class: "shape", title}, size),
      element("span", {class: "graph"}, spread ? mini(spread) : ""),
      element("span", {class: "soft"}, is_tensor ? node.dtype : node.dtypes),
      element("span", {class: "soft"}, (is_tensor ? node.device : node.devices) || ""),
      badge(node, Boolean(node.marks)));
  };

  const build = (model) => {
    const data = model.querySelector('script[type="application/json"]');
    const nodes = JSON.parse(data.textContent);
    const ends = ends_of(nodes);
    const opened = new Map();   // place of a node -> its <details>
    const growing = new Map();  // place of a node -> what makes more of its children

    const add_children = (list, place, from) => {
      let child = from, made = 0;
      for (; child < ends[place] && made < CHUNK; child = ends[child], made += 1) {
        list.append(element("li", {}, item_of(child)));
      }
      growing.delete(place);
      if (child === ends[place]) return;
      const more = element("button", {type: "button"}, "Show more");
      const holder = element("li", {}, more);
      const grow = () => {
        holder.remove();
        add_children(list, place, child);
      };
      growing.set(place, grow);
      more.addEventListener("click", () => {
        const first = list.children.length - 1;
        grow();
        list.children[first].querySelector("summary")?.focus();
      });
      list.append(holder);
    };

    const open = (details, place) => {
      if (details.dataset.made) return;
      details.dataset.made = "yes";
      const node = nodes[place];
      if (node.shape !== undefined) {
        details.append(detail_of(node));
      } else if (node.marks) {
        details.append(element("p", {class: "detail marks"}, ...links_of(node.marks)));
      }
      if (ends[place] > place + 1) {
        const list = element("ul");
        add_children(list, place, place + 1);
        details.append(list);
      }
    };

    const item_of = (place) => {
      const node = nodes[place];
      const is_tensor = node.shape !== undefined;
      if (!is_tensor && ends[place] === place + 1 && !node.marks) {
        return element("div", {class: "node"}, row_of({parameters: 0, tensors: 0, ...node}, false));
      }
      const details = element("details", {class: "node"},
        element("summary", {}, row_of(node, is_tensor)));
      opened.set(place, details);
      details.addEventListener("toggle", () => {
        if (details.open) open(details, place);
      });
      return details;
    };

    const show = (place) => {
      const details = opened.get(place);
      if (!details) return;
      open(details, place);
      details.open = true;
    };

    // Where there is but one way to go, it is gone.
    const root = item_of(0);
    let only = 0;
    show(only);
    while (ends[only] > only + 1 && ends[only + 1] === ends[only] && nodes[only + 1].shape === undefined) {
      only += 1;
      show(only);
    }

    const marked = nodes.flatMap((node, place) => (node.marks ? [place] : []));
    const tools = element("div", {class: "tools"});
    if (marked.length > 0) {
      const button = element("button", {type: "button"}, "Open all that has findings");
      button.addEventListener("click", () => {
        for (const place of marked.slice(0, CHUNK)) {
          for (let at = 0; at <= place;) {
            show(at);
            let child = at + 1;
            while (child < ends[at] && ends[child] <= place) child = ends[child];
            if (at === place || child >= ends[at]) break;
            while (!opened.has(child) && growing.has(at)) growing.get(at)();
            at = child;
          }
        }
      });
      tools.append(button);
    }
    const shut = element("button", {type: "button"}, "Close all");
    shut.addEventListener("click", () => {
      for (const [place, details] of opened) {
        if (place > only) details.open = false;
      }
    });
    tools.append(shut);
    model.querySelector(".tree").replaceChildren(tools, root);
  };

  for (const model of document.querySelectorAll(".model")) {
    const ready = () => {
      if (!model.open || model.dataset.made) return;
      model.dataset.made = "yes";
      build(model);
    };
    model.addEventListener("toggle", ready);
    page.afterwards(ready);
  }
})();
