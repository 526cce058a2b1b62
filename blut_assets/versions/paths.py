"""Finds the file that an expression names, where that can be read off: beside ``__file__``, and resources."""

import ast
import os
from collections.abc import Callable, Sequence

RESOURCES = ("read_text", "read_binary", "open_text", "open_binary", "path", "is_resource", "contents")
PACKAGES = ("importlib.resources", "importlib_resources")
UNCHANGED = frozenset(
    {
        *("str", "os.fspath", "os.path.abspath", "os.path.realpath", "os.path.normpath"),
        *(
            "os.path.expanduser",
            "pathlib.Path",
            "pathlib.PurePath",
            "pathlib.PosixPath",
            "importlib.resources.as_file",
        ),
    }
)
JOINED = frozenset({"os.path.join", "pathlib.Path", "pathlib.PurePath"})
SAME = ("resolve", "absolute", "expanduser", "as_posix")


class Located:
    """Evaluates expressions of one module.

    Args:
        file: the module's own.
        dotted: the full name of what a name or attribute stands for, such as ``os.path.join``.
        assigned: the text that a name stands for, if it is a path too.
        package: the directory of a package by an expression for it; None stands for the module's own.
    """

    def __init__(
        self,
        file: str,
        dotted: Callable[[ast.expr], str],
        assigned: Callable[[ast.expr], str | None],
        package: Callable[[ast.expr | None], str | None],
    ) -> None:
        self._file, self._dotted = file, dotted
        self._assigned, self._package = assigned, package

    def path(self, node: ast.expr) -> str | None:
        """Returns the path that an expression comes to;
        None if it is none, or depends on more than its words.
        """
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(node)
        if isinstance(node, ast.BinOp):
            return self._operated(node)
        if isinstance(node, ast.Subscript):
            return self._parent_at(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        return None

    def _named(self, node: ast.Name | ast.Attribute) -> str | None:
        if isinstance(node, ast.Name):
            return self._file if node.id == "__file__" else self._assigned(node)
        if node.attr == "parent" and (inner := self.path(node.value)) is not None:
            return os.path.dirname(inner)  # noqa: PTH120
        return self._assigned(node)

    def _operated(self, node: ast.BinOp) -> str | None:
        left = self.path(node.left)
        right = self._text(node.right)
        if left is None or right is None:
            return None
        if isinstance(node.op, ast.Div):
            return os.path.join(left, right)  # noqa: PTH118
        return left + right if isinstance(node.op, ast.Add) else None

    def _parent_at(self, node: ast.Subscript) -> str | None:
        value, index = node.value, node.slice
        if not (isinstance(value, ast.Attribute) and value.attr == "parents"):
            return None
        found = self.path(value.value)
        if found is None or not (isinstance(index, ast.Constant) and isinstance(index.value, int)):
            return None
        for _ in range(index.value + 1):
            found = os.path.dirname(found)  # noqa: PTH120
        return found

    def _called(self, node: ast.Call) -> str | None:
        name = self._dotted(node.func)
        if name in JOINED and len(node.args) > 1:
            return self._joined(self.path(node.args[0]), node.args[1:])
        if name in UNCHANGED and len(node.args) == 1:
            return self.path(node.args[0])
        if name == "os.path.dirname" and node.args and (inner := self.path(node.args[0])) is not None:
            return os.path.dirname(inner)  # noqa: PTH120
        if found := self._resource(name, node.args):
            return found
        return self._method(node)

    def _resource(self, name: str, args: Sequence[ast.expr]) -> str | None:
        where, _, what = name.rpartition(".")
        if where in PACKAGES and what == "files":
            return self._package(args[0] if args else None)
        if (where in PACKAGES and what in RESOURCES) or name == "pkgutil.get_data":
            place = self._package(args[0]) if args else None
            return self._joined(place, args[1:2]) or place
        return None

    def _method(self, node: ast.Call) -> str | None:
        if not isinstance(node.func, ast.Attribute):
            return None
        inner, word = self.path(node.func.value), node.func.attr
        if inner is None or word in SAME:
            return inner
        if word in ("joinpath", "__truediv__"):
            return self._joined(inner, node.args)
        if word == "with_name":
            return self._joined(os.path.dirname(inner), node.args)  # noqa: PTH120
        if word == "with_suffix" and node.args and (suffix := self._text(node.args[0])) is not None:
            return os.path.splitext(inner)[0] + suffix  # noqa: PTH122
        return None

    def _joined(self, start: str | None, parts: Sequence[ast.expr]) -> str | None:
        words = [self._text(part) for part in parts]
        known = [word for word in words if word is not None]
        return os.path.join(start, *known) if start is not None and len(known) == len(words) else None  # noqa: PTH118

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        return self.path(node)
