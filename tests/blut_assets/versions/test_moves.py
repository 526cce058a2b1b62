"""Every module of the cookbooks is rewritten: what is only said changes nothing, every statement does."""

import ast
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cookbooks
from blut_assets.definitions import discovered
from blut_assets.stages.spec import StageSpec, spec_of
from blut_assets.versions.asset import AssetSource
from blut_assets.versions.dump import Dumper
from blut_assets.versions.files import project_at
from blut_assets.versions.names import scope_of
from blut_assets.versions.statements import meaningful, statements_in

ORIGINAL = Path(cookbooks.__file__).parent
SPECS = [spec for book in discovered.cookbooks for asset in book.assets if (spec := spec_of(asset))]


def found(spec: StageSpec, base: Path) -> dict[str, str]:
    """The version of an asset and the digests of its parts, with the source below ``base``."""
    file = base.joinpath(*spec.function.__module__.split(".")).with_suffix(".py")
    known = AssetSource(spec.function, file).found((), (), 1)
    return {"": known["value"], **known["parts"]}


def versions(base: Path) -> dict[str, str]:
    return {spec.key.to_user_string(): found(spec, base)[""] for spec in SPECS}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return versions(ORIGINAL.parent)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ORIGINAL, tmp_path / "cookbooks", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def files(base: Path) -> list[Path]:
    return sorted((base / "cookbooks").rglob("*.py"))


def rewritten(base: Path, change: Callable[[str], str]) -> None:
    for path in files(base):
        path.write_text(change(path.read_text()))


class Talk(ast.NodeTransformer):
    """Says something else, and says more: strings that stand alone, and annotations outside class bodies."""

    def __init__(self) -> None:
        self._in_class = False

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outside, self._in_class = self._in_class, True
        node = self._talked(node)
        self._in_class = outside
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outside, self._in_class = self._in_class, False
        node.returns = ast.Constant("something else")
        for argument in (*node.args.args, *node.args.kwonlyargs):
            argument.annotation = None if argument.annotation else ast.Name("object")
        node = self._talked(node)
        self._in_class = outside
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.AST]:
        said = ast.Expr(ast.Constant("More words."))
        if self._in_class or len(node.targets) > 1 or not isinstance(node.targets[0], ast.Name):
            return [node, said]
        return [ast.AnnAssign(node.targets[0], ast.Name("object"), node.value, 1), said]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | list[ast.AST]:
        if self._in_class or node.value is None:
            return [node, ast.Expr(ast.Constant("More words."))]
        return ast.Assign([node.target], node.value)

    def _talked(self, node: Any) -> Any:
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body.pop(0)
        else:
            node.body.insert(0, ast.Expr(ast.Constant("Another text.")))
        self.generic_visit(node)
        return node


def talked(text: str) -> str:
    """Its statements as ``ast`` writes them, which drops each comment and blank line."""
    tree = ast.fix_missing_locations(Talk().visit(ast.parse(text)))
    return re.sub(r"^(\S)", r"# Remark.\n\n\1", ast.unparse(tree), flags=re.MULTILINE)


def test_an_edited_recipe_makes_nothing_stale() -> None:
    read = {part for spec in SPECS for part in spec.code.parts}
    assert "cookbooks.lamquant.gate.checks" in read
    assert not [part for part in read if part.rpartition(".")[2].startswith("recipe")]


@pytest.mark.heavy
def test_what_is_only_said_changes_no_version(copy: Path, before: dict[str, str]) -> None:
    rewritten(copy, talked)
    assert versions(copy) == before


MOVES = {
    "cookbooks.lamquant.codec": "cookbooks.lamquant.payload.deeper",
    "cookbooks.llm.training_loop": "cookbooks.llm.payload.training",
    "cookbooks.lamquant.formats.edf.header": "cookbooks.lamquant.formats.header_of_edf",
    "cookbooks.lamquant.payload.joint_train": "cookbooks.lamquant.payload.codec_train",
    "cookbooks.llm.data": "cookbooks.llm.payload.deep.rows",
    "cookbooks.lamquant.gate.grade": "cookbooks.lamquant.verdict_grade",
}


@pytest.mark.heavy
def test_where_a_module_lives_and_what_it_is_called_changes_no_version(
    copy: Path, before: dict[str, str]
) -> None:
    def followed(text: str) -> str:
        for old, new in MOVES.items():
            text = re.sub(rf"{re.escape(old)}\b", new, text)
        return text

    for old, new in MOVES.items():
        place = copy.joinpath(*old.split("."))
        source, suffix = (place, "") if place.is_dir() else (place.with_suffix(".py"), ".py")
        dest = Path(f"{copy.joinpath(*new.split('.'))}{suffix}")
        dest.parent.mkdir(parents=True, exist_ok=True)
        (dest.parent / "__init__.py").touch()
        shutil.move(source, dest)
    rewritten(copy, lambda text: imports_sorted(followed(text)))
    assert versions(copy) == before


def imports_sorted(text: str) -> str:
    """Each run of imports of the cookbooks in the order of their names, as a linter would have it."""
    lines = re.split(r"^(?=from cookbooks)", text, flags=re.MULTILINE)
    if len(lines) < 3:
        return text
    match = re.match(r"from cookbooks[^(\n]*(\([^)]*\))?[^\n]*\n", lines[-1])
    assert match
    return lines[0] + "".join(sorted([*lines[1:-1], match[0]])) + lines[-1][match.end() :]


def mutate(stmt: ast.stmt) -> bool:
    """Change one thing in a statement; False if there is nothing to change."""
    for node in ast.walk(stmt):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
            node.value = node.value + "!" if isinstance(node.value, str) else 2 * node.value + 1
            return True
        if isinstance(node, ast.Name | ast.Attribute):
            name = "id" if isinstance(node, ast.Name) else "attr"
            setattr(node, name, f"{getattr(node, name)}_")
            return True
    return False


def test_every_change_of_every_statement_changes_what_is_digested() -> None:
    project, seen = project_at("cookbooks", ORIGINAL.parent), 0
    for name in {part for spec in SPECS for part in spec.code.parts if project.find(part)}:
        module = project.find(name)
        assert module
        dumper = Dumper(scope_of(project, module), deep=False)
        for stmt in statements_in(meaningful(module.source.data, str(module.path)).body, deep=True):
            plain = dumper.dump([stmt])
            if not isinstance(stmt, ast.Import | ast.ImportFrom) and mutate(stmt):
                seen += 1
                other = dumper.dump([stmt])
                assert (other.text, other.refs) != (plain.text, plain.refs), ast.unparse(stmt)
    assert seen > 3000


def test_a_changed_statement_of_any_module_changes_every_asset_that_runs_it(copy: Path) -> None:
    draw, original = random.Random(0), {spec.key: found(spec, ORIGINAL.parent) for spec in SPECS}
    modules = {part for parts in original.values() for part in parts} - {""}
    for path in draw.sample(files(copy), 25):
        name = ".".join(path.relative_to(copy).with_suffix("").parts).removesuffix(".__init__")
        users = [spec for spec in SPECS if name in original[spec.key]]
        statements = [
            stmt
            for stmt in statements_in(meaningful(path.read_bytes(), str(path)).body, deep=True)
            if isinstance(stmt, ast.Return | ast.Assign | ast.Raise)
        ]
        if name not in modules or not users or not statements:
            continue
        text, line = path.read_text(), draw.choice(statements).lineno
        lines = text.splitlines(keepends=True)
        indent = re.match(r"\s*", lines[line - 1])
        assert indent
        lines.insert(line - 1, f"{indent[0]}print('changed')\n")
        path.write_text("".join(lines))
        spec = min(users, key=lambda spec: len(original[spec.key]))
        now = found(spec, copy)
        assert now[""] != original[spec.key][""], f"{name}:{line}"
        assert name in [part for part in now if now[part] != original[spec.key].get(part)]
        path.write_text(text)
