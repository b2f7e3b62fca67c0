"use strict";
// What all parts of the page share, and the choice of light or dark. Text reaches the page through
// textContent alone, and attributes hold nothing but what this script makes up itself.
const page = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    for (const child of children) {
      if (child !== null && child !== undefined) node.append(child);
    }
    return node;
  };

  return {
    /** An element; children are nodes or texts. */
    element: (name, attributes = {}, ...children) =>
      fill(document.createElement(name), attributes, children),
    svg: (name, attributes = {}, ...children) =>
      fill(document.createElementNS(SVG, name), attributes, children),
    /** The data of an inert script element; null where the page has none. */
    data: (id) => {
      const holder = document.getElementById(id);
      return holder === null ? null : JSON.parse(holder.textContent);
    },
    /** The parts of a name, with places to break a line behind its dots. */
    breakable: (name) => name.split(/(?<=\.)/).flatMap((part) =>
      [part, document.createElement("wbr")]),
    grouped: (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ","),
    /** Calls once the page is there to be read. */
    afterwards: (call) => {
      if (document.readyState === "complete") {
        call();
      } else {
        addEventListener("load", () => setTimeout(call), {once: true});
      }
    },
    /** 1234567 as "1.23M". */
    short: (number) => {
      for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
        if (number >= size) return (number / size).toPrecision(3) + unit;
      }
      return String(number);
    },
    /** Calls with the value of a control some time after the last key. */
    settled: (control, call) => {
      let waiting = 0;
      control.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(call, 120);
      });
    },
  };
})();

(() => {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const is_dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => {
    button.textContent = is_dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${is_dark() ? "light" : "dark"} theme`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = is_dark() ? "light" : "dark";
    label();
  });
  system.addEventListener("change", label);
  label();
  button.hidden = false;
})();
