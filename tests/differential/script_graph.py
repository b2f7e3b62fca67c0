"""What torch itself says of a TorchScript method: its operators, where they stand in the author's
source, and the attributes that they read. Used by graph.py."""

import collections
import operator
import re

import torch

from script_forms import FOREIGN

# Shape arithmetic, checks and packing: folding decides how many of them are left.
PLUMBING = re.compile(
    r"prim::(?!fork|CreateObject|SetAttr)|aten::(dim|size|len|__\w+__|eq|ne|lt|le|gt|ge|format|add|"
    r"sub|mul|list|append|warn|Int|Bool|ScalarImplicit|wait)$"
)

# Attributes that are tensors, or hold some.
HOLDS_TENSORS = re.compile(r".*\bTensor\b")

# Types of which a value may be None or not.
UNDECIDED = {"OptionalType", "UnionType", "AnyType"}

COMPARISONS = {"aten::eq": operator.eq, "aten::ne": operator.ne, "aten::lt": operator.lt,
               "aten::le": operator.le, "aten::gt": operator.gt, "aten::ge": operator.ge,
               "aten::__and__": operator.and_, "aten::__or__": operator.or_,
               "aten::__xor__": operator.xor}


def place(file, line):
    """File and line, or nothing: what torch puts in the place of an old operator, and what it
    generates for a formula, comes from no file."""
    return "" if file in ("", "<string>") else f"{file}:{line}"


def place_of(node):
    """Of the innermost frame: in the author's source, or of a traced stack. torch finds none where
    a generated name begins the expression; there ours is not compared."""
    text = node.sourceRange()
    match = (re.match(r'\s*File "([^"]*)", line (\d+)', text)
             or re.match(r"\s*(.*)\((\d+)\): ", text))
    return place(*match.groups()) if match else ""


def inlined(module, method):
    """The graph of a method with every call followed, and nothing optimized."""
    before = torch._C._get_graph_executor_optimize()
    torch._C._set_graph_executor_optimize(False)
    try:
        graph = module._c._get_method(method).graph.copy()
        calls = True
        while calls:
            text = str(graph)
            torch._C._jit_pass_inline(graph)
            calls = str(graph) != text
        return graph
    finally:
        torch._C._set_graph_executor_optimize(before)


class TorchGraph:
    """One walk over a method's graph. A condition that literals decide takes one branch."""

    def __init__(self, module, method, foreign=False):
        self.operators = collections.Counter()
        self.read = set()
        self.others = set()
        self._foreign = foreign
        self._literals = {}
        self._same = {}
        self._tuples = {}
        self._walk(inlined(module, method))

    def _walk(self, block):
        for node in block.nodes():
            if not self._settle(node):
                self._count(node)
                for inner in node.blocks():
                    self._walk(inner)

    def _value(self, value):
        while value.debugName() in self._same:
            value = self._same[value.debugName()]
        return value

    def _literal(self, value):
        """A tuple with the literal, or nothing."""
        value = self._value(value)
        if value.debugName() in self._literals:
            return (self._literals[value.debugName()],)
        if value.node().kind() == "prim::Constant":
            constant = value.toIValue()
            if constant is None or isinstance(constant, (bool, int, float, str)):
                return (constant,)
        return ()

    def _is_none(self, value):
        """True, False, or None where the type leaves it open."""
        literal = self._literal(value)
        if literal:
            return literal[0] is None
        kind = self._value(value).type().kind()
        return None if kind in UNDECIDED else kind == "NoneType"

    def _settle(self, node):
        """True when the node is decided and does nothing."""
        kind = node.kind()
        inputs, outputs = list(node.inputs()), list(node.outputs())
        if kind == "prim::If":
            taken = self._literal(inputs[0])
            if not taken:
                return False
            branch = list(node.blocks())[0 if taken[0] else 1]
            self._walk(branch)
            self._bind(outputs, list(branch.outputs()))
            return True
        if kind == "prim::TupleConstruct":
            self._tuples[outputs[0].debugName()] = inputs
            return False
        if kind in ("prim::TupleUnpack", "prim::TupleIndex"):
            items = self._tuples.get(self._value(inputs[0]).debugName())
            if items is None:
                return False
            self._bind(outputs, items if kind == "prim::TupleUnpack"
                       else [items[self._literal(inputs[1])[0]]])
            return True
        if kind == "prim::unchecked_cast":
            if self._value(inputs[0]).type().kind() in UNDECIDED:
                return False
            self._bind(outputs, inputs)
            return True
        result = self._compute(kind, inputs)
        if result is None:
            return False
        self._literals[outputs[0].debugName()] = result
        return True

    def _bind(self, outputs, values):
        for output, value in zip(outputs, values):
            self._same[output.debugName()] = value

    def _compute(self, kind, inputs):
        if kind in ("aten::__is__", "aten::__isnot__"):
            sides = [self._is_none(value) for value in inputs]
            if None in sides or not any(sides):
                return None
            return all(sides) == (kind == "aten::__is__")
        literals = [self._literal(value) for value in inputs]
        if not all(literals):
            return None
        values = [value for value, in literals]
        if kind == "aten::__not__" and isinstance(values[0], bool):
            return not values[0]
        if kind in COMPARISONS and len(values) == 2 and None not in values:
            result = COMPARISONS[kind](*values)
            return result if isinstance(result, bool) else None
        return None

    def _count(self, node):
        kind = node.kind()
        if not PLUMBING.match(kind):
            if self._foreign:
                kind = kind.replace("quantized::", FOREIGN + "::")
            self.operators[kind, "" if kind == "prim::SetAttr" else place_of(node)] += 1
        for value in node.inputs():
            path = self._attribute(value)
            if path:
                holder = self.read if HOLDS_TENSORS.match(str(value.type())) else self.others
                holder.add(path)

    def _attribute(self, value):
        """The path below the module of what the value reads, or nothing."""
        names = []
        value = self._value(value)
        while value.node().kind() == "prim::GetAttr":
            names.append(value.node().s("name"))
            value = self._value(value.node().inputsAt(0))
        return ".".join(reversed(names)) if value.node().kind() == "prim::Param" else None
