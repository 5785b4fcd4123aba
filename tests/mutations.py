"""The mutants of a file: its code with one operator, number, condition or jump changed.

Strings, annotations, decorators and the lengths of shown texts stay as they are.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
    ast.Mod: ast.Div, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """`file` with the code `before` in `lines` replaced; `source` and `code` are the whole changed file. `scope` is the
    function or class around it; `on_import` says that the change takes effect when the module is imported."""

    file: str
    scope: str
    on_import: bool
    lines: range
    before: str
    after: str
    source: str
    code: CodeType

    @property
    def key(self) -> str:
        return " ".join(f"{self.file} {self.scope}: {self.before} → {self.after}".split())


def alternatives(node: ast.AST, field: str) -> Iterator[ast.AST]:
    """Yield the nodes that replace `node`, a child of its parent's `field`."""
    match node:
        case ast.Compare(left, ops, comparators):
            for index, op in enumerate(ops):
                swapped: Any = SWAPPED[type(op)]()
                yield ast.Compare(left, [*ops[:index], swapped, *ops[index + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(SWAPPED[type(op)](), values)  # type: ignore[arg-type]
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in SWAPPED and not is_type_union(node):
            yield ast.BinOp(left, SWAPPED[type(op)](), right)  # type: ignore[arg-type]
        case ast.AugAssign(target, op, value) if type(op) in SWAPPED:
            yield ast.AugAssign(target, SWAPPED[type(op)](), value)  # type: ignore[arg-type]
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1 if value + 1 != value else 2 * value)
        case ast.Break() | ast.Continue():
            yield SWAPPED[type(node)]()
    if field in ("test", "ifs") and not isinstance(node, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
        yield ast.UnaryOp(ast.Not(), node)  # type: ignore[arg-type]


def is_type_union(node: ast.BinOp) -> bool:
    """Return whether `node` is a union of types, such as `int | None`."""
    sides = [side for side in ast.walk(node) if isinstance(side, ast.Constant) or hasattr(side, "id")]
    return isinstance(node.op, ast.BitOr) and all(
        side.value is None if isinstance(side, ast.Constant) else side.id[:1].isupper() or side.id in dir(__builtins__)
        for side in sides
    )


def is_skipped(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Return whether mutants of `node` would not count."""
    match parent, field, node:
        case _, ("annotation" | "returns" | "decorator_list" | "format_spec"), _:
            return True
        # The options of a class, such as `frozen=True`.
        case ast.ClassDef(), "keywords", _:
            return True
        case ast.Subscript(ast.Name("Literal" | "Annotated" | "tuple" | "dict" | "list" | "Callable")), _, _:
            return True
        case _, _, ast.If(ast.Name("TYPE_CHECKING")) | ast.Assign([ast.Name("__slots__")]):
            return True
        # `zip(…, strict=True)` checks what the code expects anyway.
        case ast.keyword("strict"), _, _:
            return True
        # The length at which `plain` cuts a text.
        case ast.Call(ast.Name("plain")), "args", ast.Constant():
            return True
    return False


@dataclass(frozen=True)
class Site:
    """A place in the syntax tree, and the node to put there."""

    scope: str
    on_import: bool
    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    replacement: ast.AST

    @property
    def shown(self) -> str:
        """The code at the place; around a number, the expression that contains it."""
        parent, node = self.parent, getattr(self.parent, self.field)
        if isinstance(self.node, ast.Constant) and isinstance(parent, (ast.expr, ast.keyword)):
            return ast.unparse(parent)
        return ast.unparse(node if self.index is None else node[self.index])

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def sites(parent: ast.AST, scope: str = "", on_import: bool = True) -> Iterator[Site]:
    """Yield all places below `parent`."""
    for field, value in ast.iter_fields(parent):
        inside = isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and field == "body"
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or is_skipped(parent, field, node):
                continue
            for replacement in alternatives(node, field):
                ast.fix_missing_locations(ast.copy_location(replacement, node))
                yield Site(scope, on_import and not inside, parent, field, index, node, replacement)
            name = node.name if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""
            yield from sites(node, f"{scope}.{name}".strip("."), on_import and not inside)


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    tree = ast.parse((root / file).read_text(encoding="utf-8"))
    for site in list(sites(tree)):
        before = site.shown
        site.put(site.replacement)
        source, code, after = ast.unparse(tree), compile(tree, str(root / file), "exec"), site.shown
        site.put(site.node)
        lines = range(site.node.lineno, site.node.end_lineno + 1)  # type: ignore[attr-defined]
        yield Mutant(file, site.scope, site.on_import, lines, before, after, source, code)


def nested(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of all functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)
