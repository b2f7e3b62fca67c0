"""The HTML report as a file: whole without a script, closed to everything outside, the same whatever
the number of threads, and made of nothing but text where artifacts have a say.

usage: page_test.py TORCHVET
"""

import base64
import hashlib
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import pages
from pages import FIXTURES, HOSTILE, LONG, PAIR, SERIES, data_of

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
# What acts on a reader, but for the line ends of the page itself.
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
EMPTY = {"meta", "input", "br", "img", "link", "hr"}
# What the page is made of: an element or attribute beyond these came from somewhere else.
ELEMENTS = set("""html head meta title style body a header p nav ul li button main section h1 h2 h3 h4
    span noscript div form label input fieldset legend select option output article dl dt dd pre code
    details summary table thead tbody tr th td small footer script br""".split())
ATTRIBUTES = set("""lang charset http-equiv content name id class href tabindex type hidden role
    aria-label aria-labelledby aria-live autocomplete spellcheck value checked data-severity
    data-family data-code data-artifact scope open""".split())


class Reader(html.parser.HTMLParser):
    """Checks that elements nest, and gathers what they are."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.findings: dict[str, str] = {}
        self.finding: str | None = None
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert tag in ELEMENTS, tag
        assert {name for name, _ in attributes} <= ATTRIBUTES, attributes
        self.elements.append((tag, dict(attributes)))
        if tag == "article":
            self.finding = dict(attributes)["id"]
            self.findings[self.finding] = ""
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        if tag == "article":
            self.finding = None

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
        if self.finding:
            self.findings[self.finding] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def page(self, verb: str, *arguments: object, code: int | None = None) -> str:
        text, found = pages.make_page(TORCHVET, verb, *arguments, out=self.folder / "page.html")
        if code is not None:
            self.assertEqual(found, code)
        return text

    def json_of(self, verb: str, *arguments: object) -> tuple[dict, int]:
        run = subprocess.run([TORCHVET, verb, *map(str, arguments), "--json", "--isolated"],
                             capture_output=True, text=True, timeout=300, check=False,
                             env=pages.environment())
        return json.loads(run.stdout), run.returncode


class Closed(Case):
    def test_policy_allows_the_script_and_the_style_of_the_page_and_nothing_else(self):
        page = self.page("check", FIXTURES / "demo")
        reader = Reader(page)
        policy = next(meta["content"] for meta in reader.all("meta")
                      if meta.get("http-equiv") == "Content-Security-Policy")
        rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        self.assertEqual(set(rules), {"default-src", "script-src", "style-src", "base-uri",
                                      "form-action"})
        for name in ("default-src", "base-uri", "form-action"):
            self.assertEqual(rules[name], "'none'")
        for name, tag in (("script-src", "script"), ("style-src", "style")):
            (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            self.assertEqual(rules[name], f"'sha256-{digest}'")

    def test_nothing_is_fetched(self):
        for page in (self.page("check", FIXTURES / "demo"), self.page("drift", SERIES)):
            for tag, attributes in Reader(page).elements:
                self.assertNotIn("src", attributes, tag)
                if "href" in attributes:
                    self.assertEqual(attributes["href"][0], "#", tag)
            for tag in ("script", "style"):
                (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
                self.assertEqual(re.findall(r"url\(|@import|\bfetch\(|XMLHttpRequest|innerHTML|eval\(|"
                                            r"https?:(?!//www.w3.org/2000/svg)", text), [])

    def test_links_lead_somewhere(self):
        reader = Reader(self.page("drift", SERIES))
        ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        for link in reader.all("a"):
            self.assertIn(link["href"][1:], ids)
        for _, attributes in reader.elements:
            if "aria-labelledby" in attributes:
                self.assertIn(attributes["aria-labelledby"], ids)


class Content(Case):
    def test_every_finding_is_there_without_a_script(self):
        report, code = self.json_of("check", FIXTURES / "demo", FIXTURES / "PKL001", "--no-values")
        reader = Reader(self.page("check", FIXTURES / "demo", FIXTURES / "PKL001", "--no-values",
                                  code=code))
        self.assertGreater(len(report["findings"]), 10)
        texts = list(reader.findings.values())
        for finding in report["findings"]:
            wanted = [finding["message"], finding["location"]["artifact"],
                      *(evidence["text"] for evidence in finding["evidence"])]
            # Up to the first control, which the page makes visible.
            wanted = [CONTROL.split(text.replace("`", "").replace("\\", "\\\\")[:300])[0]
                      for text in wanted]
            self.assertTrue(any(all(part in text.replace("`", "") for part in wanted)
                                for text in texts), wanted)

    def test_the_worst_comes_first(self):
        reader = Reader(self.page("check", FIXTURES / "demo", FIXTURES / "PKL004", FIXTURES / "NUM007"))
        order = {"error": 0, "warning": 1, "note": 2}
        severities = [order[article["data-severity"]] for article in reader.all("article")]
        self.assertEqual(set(severities), {0, 1, 2})
        self.assertEqual(severities, sorted(severities))

    def test_lower_levels_are_left_out_when_asked(self):
        paths = (FIXTURES / "demo", FIXTURES / "NUM007")
        page = self.page("check", *paths, "--show", "warning", code=1)
        severities = {article["data-severity"] for article in Reader(page).all("article")}
        self.assertEqual(severities, {"error"})
        self.assertIn("2 findings below the level that was to be shown", page)

    def test_what_was_not_analysed_is_said(self):
        broken = self.folder / "broken.pt"
        broken.write_bytes((FIXTURES / "demo/train_mode.pt").read_bytes()[:2000])
        page = self.page("check", broken, self.folder / "missing.pt", code=2)
        reader = Reader(page)
        self.assertIn("Error", "".join(reader.texts["span"]))
        self.assertIn("could not be read", "".join(reader.texts["td"]))
        self.assertIn("gaps", [section.get("id") for section in reader.all("section")])

    def test_accepted_findings_are_kept_apart(self):
        suppressions = self.folder / "suppressions.json"
        suppressions.write_text(json.dumps({"version": 1, "suppressions": [
            {"code": "MOD001", "artifact": "**", "reason": "a <b>reason</b>"}]}))
        page = self.page("check", FIXTURES / "demo/train_mode.pt", "--suppressions", suppressions,
                         code=0)
        (text,) = Reader(page).findings.values()
        self.assertIn("suppressed: a <b>reason</b>", text)
        self.assertIn("Nothing was found", page)

    def test_findings_do_not_depend_on_the_report(self):
        paths = [FIXTURES / code for code in ("NUM001", "NUM002", "NUM005", "MOD003", "OPT005",
                                              "REG006", "STO005", "FMT014")]
        plain, code = self.json_of("check", *paths, "--reproducible")
        saved = self.folder / "report.json"
        self.page("check", *paths, "--reproducible", "--report", f"json={saved}", code=code)
        with_page = json.loads(saved.read_text())
        for report in (plain, with_page):
            del report["run"]
        self.assertEqual(plain, with_page)

    def test_the_same_for_any_number_of_threads(self):
        paths = [FIXTURES / code for code in ("demo", "NUM005", "REG003", "STO003")]
        found = [re.sub(r"<dt>command</dt>.*", "", self.page("check", *paths, "--reproducible", "-j",
                                                             threads))
                 for threads in (1, 8, 8)]
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[1], found[2])


class Models(Case):
    def test_tree_holds_every_tensor(self):
        path = self.folder / "model.safetensors"
        state = pages.transformer(3)
        pages.save_safetensors(path, state)
        nodes = data_of(self.page("check", path, code=0), "model-data-1")
        names: list[str] = []
        found = {}
        for node in nodes:
            names = names[:node["depth"]] + [node["name"]]
            if "shape" in node:
                found[".".join(names[1:])] = node
        self.assertEqual(set(found), set(state))
        for name, (shape, numbers) in state.items():
            self.assertEqual(found[name]["shape"], " \u00d7 ".join(map(str, shape)))
            self.assertEqual(found[name]["numbers"]["count"], len(numbers))
        numbers = sum(len(numbers) for name, (_, numbers) in state.items())
        self.assertEqual(nodes[0]["parameters"], numbers)
        self.assertEqual(nodes[0]["tensors"], len(state))

    def test_marks_lie_where_the_findings_are(self):
        page = self.page("check", FIXTURES / "REG009/bad_child.pt")
        nodes = data_of(page, "model-data-1")
        (marked,) = [node for node in nodes if "marks" in node]
        self.assertEqual((marked["name"], marked["worst"]), ("encoder", "error"))
        texts = Reader(page).findings
        self.assertIn("encoder", texts[f"finding-{marked['marks'][0]}"])
        self.assertEqual(nodes[0]["worst"], "error")

    def test_no_weight_is_read_when_none_is_to_be(self):
        page = self.page("check", FIXTURES / "demo/train_mode.pt", "--no-values")
        self.assertNotIn("numbers", json.dumps(data_of(page, "model-data-1")))
        self.assertIn("The numbers of the tensors were not read", page)

    def test_deep_and_many(self):
        path = self.folder / "deep.pt"
        pages.save_named(path, [".".join("x" * 200_000), *(f"a.{i}" for i in range(3000))])
        nodes = data_of(self.page("check", path), "model-data-1")
        self.assertEqual(max(node["depth"] for node in nodes), 64)
        self.assertEqual(nodes[0]["tensors"], 3001)


class Series(Case):
    def test_updates_are_those_of_the_json_report(self):
        report, code = self.json_of("drift", SERIES)
        page = self.page("drift", SERIES, code=code)
        data = data_of(page, "series-data")
        wanted = {track["name"]: track["relative_update"] for track in report["series"]["tensors"]}
        self.assertEqual({track["name"] for track in data["tracks"]}, set(wanted))
        for track in data["tracks"]:
            for shown, exact in zip(track["updates"], wanted[track["name"]], strict=True):
                self.assertAlmostEqual(shown, exact, delta=exact * 0.006)
        static = {track["name"] for track in data["tracks"] if track.get("mark") == "static"}
        self.assertEqual(static, {"middle.weight", "middle.bias"})
        self.assertEqual([checkpoint["step"] for checkpoint in data["checkpoints"]],
                         ["0", "100", "200", "300", "400"])

    def test_newest_checkpoint_has_its_tree(self):
        page = self.page("drift", SERIES)
        self.assertEqual(page.count('class="model"'), 1)
        self.assertIn("step_400.pt", page.split('class="model"')[1].split("</summary>")[0])
        nodes = data_of(page, "model-data-1")
        self.assertIn("numbers", json.dumps(nodes))
        (marked,) = [node for node in nodes if "marks" in node]
        self.assertEqual((marked["name"], marked["worst"]), ("middle", "warning"))


class Pair(Case):
    def test_changes_are_those_of_the_json_report(self):
        report, code = self.json_of("diff", *PAIR)
        page = self.page("diff", *PAIR, code=code)
        Reader(page)
        section = re.search(r'(?s)<section id="diff".*?</section>', page)[0]
        rows = re.findall(r"(?s)<tr><td>.*?</tr>", section)
        changes = report["diff"]["changes"]
        self.assertGreater(len(changes), 1)
        self.assertTrue(any(change["renamed"] for change in changes))
        for row, change in zip(rows, changes, strict=True):
            for part in ("compatibility", "change", "name", "before", "after", "renamed"):
                self.assertIn(change[part], row)
        self.assertIn("load_state_dict raises", section)

    def test_tensors_of_one_type_are_one_row(self):
        page = self.page("diff", FIXTURES / "CTR003/bad_half.pt", "--against",
                         FIXTURES / "CTR003/ok_as_agreed.pt")
        section = re.search(r'(?s)<section id="diff".*?</section>', page)[0]
        self.assertEqual(len(re.findall("<tr><td>", section)), 1)
        self.assertRegex(section, r"\d tensors</th><td>float32</td><td>float16</td>")

    def test_the_new_file_has_its_tree(self):
        page = self.page("diff", *PAIR)
        self.assertEqual(page.count('class="model"'), 1)
        self.assertIn("bad_layer_renamed.pt", page.split('class="model"')[1].split("</summary>")[0])
        self.assertIn("numbers", json.dumps(data_of(page, "model-data-1")))
        self.assertNotIn("numbers", json.dumps(data_of(self.page("diff", *PAIR, "--no-values"),
                                                       "model-data-1")))

    def test_what_is_found_does_not_depend_on_the_page(self):
        plain, code = self.json_of("diff", *PAIR, "--reproducible")
        saved = self.folder / "report.json"
        self.page("diff", *PAIR, "--reproducible", "--report", f"json={saved}", code=code)
        with_page = json.loads(saved.read_text())
        for report in (plain, with_page):
            del report["run"]
        self.assertEqual(plain, with_page)


class Hostile(Case):
    def hostile_page(self) -> str:
        folder = self.folder / "'\"><img src=x onerror=window.ran=1>"
        folder.mkdir()
        path = folder / "model.pt"
        pages.save_named(path, [*HOSTILE, LONG])
        return self.page("check", path, "--select", "ALL", "--preview")

    def test_names_stay_text(self):
        page = self.hostile_page()
        reader = Reader(page)  # elements and attributes are those of the page
        self.assertEqual(len([script for script in reader.all("script") if not script]), 1)
        names = {node["name"] for node in data_of(page, "model-data-1")}
        for name in ("]]>", "${window", "__proto__", "constructor", "[31mred\\x1b"):
            self.assertIn(name, names)
        self.assertTrue(any("(+" in name for name in names), "the long one is cut with a mark")
        self.assertLess(len(page), 300_000)

    def test_no_control_reaches_the_page(self):
        self.assertEqual(CONTROL.findall(self.hostile_page()), [])

    def test_path_that_is_no_utf8(self):
        path = bytes(self.folder / "bad") + b"\xff\xfe<i>.pt"
        with open(path, "wb") as file:
            file.write((FIXTURES / "demo/train_mode.pt").read_bytes())
        page = self.page("check", path.decode("utf-8", "surrogateescape"))
        self.assertIn("bad\\\\xff\\\\xfe&lt;i&gt;.pt", page)
        Reader(page)


if __name__ == "__main__":
    unittest.main()
