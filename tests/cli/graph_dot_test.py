"""`torchvet inspect --what graph --format dot`: pictures that Graphviz reads, whatever the names are.

usage: graph_dot_test.py TORCHVET
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

TORCHVET = str(pathlib.Path(sys.argv.pop(1)).resolve())
FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"

TRACED = FIXTURES / "DEV003/bad_arange.pt"
BRANCHES = FIXTURES / "GRF003/bad_early_exit.pt"
EXPORTED = FIXTURES / "GRF003/bad_cond_export.pt2"
STATE = FIXTURES / "PKL004/ok_state_dict.pt"
HOSTILE = 'a"];b\\" -> c\\\\\n}\r\x1b[31m\x00\u202e<&lt;>{|}// /* # '

TOKEN = re.compile(r'\s+|//[^\n]*|("(?:[^"\\]|\\.)*")|(->|[{}\[\]=,;])|([A-Za-z_]\w*)|(\d+)')


def run(*arguments) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHVET_WORKER"}
    return subprocess.run([TORCHVET, "inspect", *map(os.fspath, arguments)], capture_output=True,
                          timeout=60, env=environment, check=False)


class Picture:
    """What dot would read: the declared nodes, the edges, how deep frames lie in each other."""

    def __init__(self, text: str) -> None:
        self.nodes: list[str] = []
        self.edges: list[tuple[str, str]] = []
        self.labels: list[str] = []
        self.graphs = self.deepest = 0
        depth, at, statement = 0, 0, []
        brackets = False
        while at < len(text):
            token = TOKEN.match(text, at)
            if token is None:
                raise ValueError(f"dot cannot read {text[at:at + 40]!r}")
            at = token.end()
            word = token[0]
            if word.isspace() or word.startswith("//"):
                continue
            if token[1]:
                self.labels.append(word)
            if word == "[" or word == "]":
                if brackets == (word == "["):
                    raise ValueError("brackets are not balanced")
                brackets = word == "["
            elif brackets:
                continue
            elif word == "{":
                self.graphs += statement[:1] == ["digraph"]
                depth, statement = depth + 1, []
                self.deepest = max(self.deepest, depth)
            elif word == "}":
                depth -= 1
                if depth < 0 or statement:
                    raise ValueError("braces are not balanced")
            elif word == ";":
                if len(statement) == 1 and statement[0] not in ("node", "edge"):
                    self.nodes.append(statement[0])
                elif "->" in statement:
                    self.edges.append((statement[0], statement[2]))
                statement = []
            else:
                statement.append(word)
        if depth or brackets or statement:
            raise ValueError("it ends too early")


class GraphDot(unittest.TestCase):
    def picture(self, path: pathlib.Path, code: int = 0) -> Picture:
        result = run(path, "--what", "graph", "--format", "dot")
        self.assertEqual((result.returncode, result.stderr), (code, b""), path)
        text = result.stdout.decode()
        self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]")
        picture = Picture(text)
        ends = {end for edge in picture.edges for end in edge}
        if picture.graphs == 1:
            self.assertEqual(len(set(picture.nodes)), len(picture.nodes))
        self.assertLessEqual(ends, set(picture.nodes))
        if shutil.which("dot"):
            drawn = subprocess.run(["dot", "-Tsvg"], input=result.stdout, capture_output=True,
                                   timeout=60, check=False)
            self.assertEqual(drawn.returncode, 0, drawn.stderr)
            self.assertEqual(drawn.stdout.count(b"<svg"), picture.graphs)
        return picture

    def test_operators_weights_and_modules(self):
        picture = self.picture(TRACED)
        self.assertEqual((picture.graphs, picture.deepest), (1, 2))
        text = run(TRACED, "--what", "graph", "--format", "dot").stdout.decode()
        for expected in ('digraph "forward" {', 'label="head";',
                         '[label="aten::linear\\nrecipe.py:27"',
                         '[label="weight", tooltip="head.weight", shape=box];',
                         "device=device('cuda:0')"):
            self.assertIn(expected, text)
        self.assertRegex(text, r'w1 -> n6 \[label="weight"\];')
        self.assertRegex(text, r"n6 -> result;")

    def test_blocks(self):
        for path in (BRANCHES, EXPORTED):
            picture = self.picture(path)
            self.assertTrue(picture.edges)
            text = run(path, "--what", "graph", "--format", "dot").stdout.decode()
            self.assertIn("[style=dashed];", text)

    def test_every_method_has_a_picture(self):
        self.assertEqual(self.picture(FIXTURES / "REG010/ok_two_methods.pt").graphs, 2)

    def test_every_program(self):
        pictures = [self.picture(path) for folder in ("GRF003", "REG002", "MOD002", "REG003")
                    for path in sorted((FIXTURES / folder).glob("*_*.pt*"))]
        self.assertGreater(len(pictures), 50)

    def test_no_graph_is_an_empty_picture(self):
        picture = self.picture(STATE)
        self.assertEqual((picture.nodes, picture.edges), ([], []))

    def hostile(self, folder: str, where: str) -> pathlib.Path:
        """An exported program with the hostile text in the place of some texts."""
        made = pathlib.Path(folder, f"{where}.pt2")

        def changed(part):
            if isinstance(part, list):
                return [changed(inner) for inner in part]
            if isinstance(part, dict):
                return {key: edited(key, inner) for key, inner in part.items()}
            return part

        def edited(key, inner):
            if where == "modules" and key == "nn_module_stack":
                path = HOSTILE.replace(";", "")  # it separates modules
                return f"L__self__,,Net;k,{path}.{path},{path}"
            if where == "files" and key == "stack_trace":
                file = HOSTILE.replace('"', "").replace("\n", "").replace("/", "")
                return f'File "{file}", line 3, in forward\n    {HOSTILE}'
            if where == "operators" and key == "target":
                return f"torch.ops.{HOSTILE}.default"
            if where == "arguments" and key == "name" and isinstance(inner, str):
                return HOSTILE + inner
            if where == "arguments" and key == "tensor_values":  # a table of these names
                return {HOSTILE + name: meta for name, meta in inner.items()}
            if where == "parameters" and key == "parameter_name":
                return HOSTILE + "." + inner
            return changed(inner)

        with zipfile.ZipFile(EXPORTED) as old, zipfile.ZipFile(made, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name.endswith("models/model.json"):
                    content = json.dumps(changed(json.loads(content)))
                new.writestr(name, content)
        return made

    def test_hostile_names(self):
        with tempfile.TemporaryDirectory() as folder:
            for where in ("modules", "files", "operators", "arguments", "parameters"):
                path = self.hostile(folder, where)
                # Such an operator has no name that torch could look up, which is told.
                labels = self.picture(path, 3 if where == "operators" else 0).labels
                # As in every other output, and then dot's own quoting of the backslash.
                self.assertTrue(any(r"\\x1b[31m" in label for label in labels), where)
                self.assertFalse(any(re.search(r"&(?!amp;)", label) for label in labels), where)

    def test_usage(self):
        for arguments in ([TRACED, "--format", "dot"],
                          [TRACED, "--format", "dot", "--what", "graph,tensors"],
                          [TRACED, "--format", "dot", "--what", "modules"],
                          [TRACED, "--format", "dot", "--what", "graph", "--json"]):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stdout), (2, b""), arguments)
            self.assertIn(b"--what graph", result.stderr)
        result = subprocess.run([TORCHVET, "rules", "--format", "dot"], capture_output=True,
                                timeout=60, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"`dot` is none of text, json", result.stderr)


if __name__ == "__main__":
    unittest.main()
