"""Puts a template under its budget: rewrites what it was parsed to, so that what repeats or copies is paid for. Pure.

The names below are filters of the environment that no template can write.
"""

from __future__ import annotations

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

COUNTED = "counted iteration"
JOINED = "joined text"
PIECE = "piece of a text"
WEIGHED = "weighed value"
REPEATED = "repeated part"


class Limits(NodeTransformer):
    """Changes the tree that it visits."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, COUNTED)
        node.body.insert(0, _paid(node.body, node.lineno))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:
        self.generic_visit(node)
        node.body.insert(0, _paid(node.body, node.lineno))
        return node

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:
        self.generic_visit(node)
        node.body.insert(0, _paid(node.body, node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        node.nodes = [_filtered(piece, PIECE) for piece in node.nodes]
        return _filtered(node, JOINED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        self.generic_visit(node)
        node.expr = _filtered(node.expr, WEIGHED)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, WEIGHED)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Getitem:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = _filtered(node.node, WEIGHED)
        return node


def _paid(body: list[nodes.Node], line: int) -> nodes.ExprStmt:
    """A statement that pays for what follows it: how many parts that has, and how many characters as they stand."""
    parts = [part for node in body for part in (node, *node.find_all(nodes.Node))]
    characters = sum(len(part.data) for part in parts if isinstance(part, nodes.TemplateData))
    return nodes.ExprStmt(_filtered(nodes.Const((len(parts), characters), lineno=line), REPEATED), lineno=line)


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)
