"""The second pass over a recipe: checks every option against its part's constructor, and fills slots recursively."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from seqtool.errors import Origin, PartError, PluginError, Problem, RecipeError, dotted, nearest_name
from seqtool.recipe.loader import MAX_DEPTH
from seqtool.recipe.nodes import Node, Path, describe_node, paths_of
from seqtool.recipe.option_values import Checked, check_default, check_value
from seqtool.recipe.reference import Reference
from seqtool.recipe.schema import Option, Schema, Slot, schema_of
from seqtool.recipe.structure import SECTIONS
from seqtool.registry.describe import render_type
from seqtool.registry.options import Named

if TYPE_CHECKING:
    from seqtool.registry import Registered, Registry

_MAX_NAME = 200


@dataclass(frozen=True)
class _Options:
    """The options of one part: for its constructor, in recipe notation, and where each comes from."""

    values: dict[str, Any]
    plain: dict[str, Any]
    origins: dict[str, Origin]


@dataclass(frozen=True)
class Filler:
    """Turns nodes into references. Raises one `RecipeError` with all problems of a node and its children.

    Attributes:
        origins: where each value comes from, by its path; extended by each call.
    """

    registry: "Registry"
    origins: dict[Path, Origin] = field(default_factory=dict)

    def part(self, kind: str, node: Node, path: Path, default: str = "") -> Reference:
        """The part given by a name or by a mapping with `type`; `default` is the default part of the slot, if any."""
        entries = {"type": node} if isinstance(node.value, str) else node.entries
        if entries is None:
            raise _refusal(f"expected {_a(kind)}, got {describe_node(node)}", path, node.origin)
        if len(path) > MAX_DEPTH:
            raise _refusal("parts are nested too deeply", path, node.origin)
        named = entries.get("type") or (Node(default, node.origin, node.key) if default else None)
        misspelt = next((name for name in entries if nearest_name(name, ["type"])), "type")
        if misspelt != "type" and "type" not in entries:
            message = f"{_a(kind)} needs its `type`, not {misspelt!r}"
            raise _refusal(message, path, entries[misspelt].key, nearest="type")
        if named is None:
            names = ", ".join(self.registry.label(part) for part in self.registry.parts(kind))
            raise _refusal(f"{_a(kind)} needs its `type`", path, node.key, allowed=names)
        registered = self._find(kind, named, path)
        cls, schema = _load(registered, named, path)
        given = {name: option for name, option in entries.items() if name != "type"}
        unknown = [name for name in given if name not in schema.options]
        if "type" not in entries and unknown:
            message = f"without `type`, the {kind} is {default} by default, which has no option {unknown[0]!r}"
            raise _refusal(message, path, node.key)
        self.origins[path] = node.key
        self.origins[*path, "type"] = named.origin
        name = registered.canonical
        options = self._options(schema, f"{kind} {name}", replace(node, value=given), path)
        return Reference(
            kind,
            name,
            cls,
            options.values,
            {"type": name, **options.plain},
            path,
            named.origin,
            options.origins,
            registered.plugin.source,
        )

    def fixed(self, cls: type, node: Node, path: Path, root: str = "a recipe") -> Reference:
        """The value of a slot with a fixed class, which has no `type`; `root` names the node without a path."""
        name = str(path[-1]) if path else root
        if node.entries is None:
            raise _refusal(f"expected a mapping of {name}'s options, got {describe_node(node)}", path, node.origin)
        try:
            schema = schema_of(cls)
        except PartError as error:
            raise _refusal(f"{cls.__name__}: {error}", path, node.origin) from error
        self.origins[path] = node.key
        options = self._options(schema, name, node, path)
        return Reference("", cls.__name__, cls, options.values, options.plain, path, node.key, options.origins)

    def _options(self, schema: Schema, label: str, node: Node, path: Path) -> _Options:
        entries = node.entries or {}
        problems, meant = _unknown(schema, label, entries, path)
        checked: dict[str, Checked] = {}
        origins: dict[str, Origin] = {}
        for name, option in schema.options.items():
            here, given = (*path, name), entries.get(name)
            if given is None and option.required:
                if name not in meant:
                    message, allowed = f"{label} needs the option {name!r}", render_type(option.annotation)
                    problems.append(Problem(message, here, node.key, allowed))
                continue
            origins[name] = given.origin if given else Origin(f"default of {label}")
            self.origins[here] = origins[name]
            try:
                checked[name] = self._option(option, given, here, origins[name])
            except RecipeError as error:
                problems += error.problems
            except PartError as error:
                problems.append(Problem(f"{label}: {error}", here, given.origin if given else node.key))
        if problems:
            raise RecipeError(problems)
        values = {name: value.value for name, value in checked.items()}
        return _Options(values, {name: value.plain for name, value in checked.items()}, origins)

    def _option(self, option: Option, node: Node | None, path: Path, origin: Origin) -> Checked:
        if option.slot is not None:
            return self._slot(option.slot, option.default, node, path, origin)
        if node is None:
            return check_default(option.name, option.annotation, option.default)
        return check_value(option.annotation, node, path)

    def _slot(self, slot: Slot, default: Any, node: Node | None, path: Path, origin: Origin) -> Checked:
        """The value of a slot. `null` empties a nullable slot; in any other slot it selects the default part."""
        name = default.name if isinstance(default, Named) else ""
        if node is None or (node.value is None and not slot.nullable and name):
            node = Node(name or None, origin, origin)
        if node.value is None and (slot.nullable or default is None):
            return Checked(None, None)
        if slot.many is None:
            return self._filled(slot, node, path, name)
        return self._filled_list(slot, slot.many, node, path)

    def _filled(self, slot: Slot, node: Node, path: Path, default: str) -> Checked:
        if callable(node.value):
            return Checked(node.value, repr(node.value))
        reference = self.fixed(slot.cls, node, path) if slot.cls else self.part(slot.kind, node, path, default)
        return Checked(reference, dict(reference.plain))

    def _filled_list(self, slot: Slot, many: Callable[[Any], Any], node: Node, path: Path) -> Checked:
        items = node.value if isinstance(node.value, list) else None
        try:
            check_value(slot.shape, node if items is None else replace(node, value=[_blank(i) for i in items]), path)
        except RecipeError as error:
            message = f"expected {render_type(slot.shape)}, got {describe_node(node)}".replace("anything", "parts")
            raise _refusal(message, path, node.origin) from error
        filled, problems = [], []
        for i, item in enumerate(items or ()):
            try:
                filled.append(self._filled(slot, item, (*path, i), ""))
            except RecipeError as error:
                problems += error.problems
        if problems:
            raise RecipeError(problems)
        return Checked(many(item.value for item in filled), [item.plain for item in filled])

    def _find(self, kind: str, named: Node, path: Path) -> "Registered":
        if not isinstance(named.value, str) or len(named.value) > _MAX_NAME:
            raise _refusal(f"expected the name of {_a(kind)}, got {describe_node(named)}", path, named.origin)
        try:
            return self.registry.find(kind, named.value)
        except PluginError as error:
            message, allowed, nearest = (getattr(error, name, "") for name in ("message", "allowed", "nearest"))
            raise _refusal(message or str(error), path, named.origin, allowed=allowed, nearest=nearest) from error


def _load(registered: "Registered", named: Node, path: Path) -> tuple[type, Schema]:
    """The class and the schema of a part."""
    try:
        cls = registered.load()
        return cls, schema_of(cls)
    except PluginError as error:
        raise _refusal(str(error), path, named.origin) from error
    except PartError as error:
        raise _refusal(f"{registered}: {error}", path, named.origin, allowed=error.allowed) from error


def _unknown(schema: Schema, label: str, entries: dict[str, Node], path: Path) -> tuple[list[Problem], set[str]]:
    """The problems of entries that are not options, and the names of the options that were probably meant."""
    problems, meant = [], set()
    for name, node in entries.items():
        if name in schema.options:
            continue
        nearest = nearest_name(name, schema.options)
        meant.add(nearest)
        message, allowed = f"{label} has no option {name!r}", ", ".join(schema.options) or "none"
        deeper = [inner for option, child in entries.items() for inner in paths_of(name, child, (*path, option))]
        if path and name in SECTIONS:
            message += f"; {name} is a section of recipes, so it must not be indented"
        elif deeper and not nearest:
            nearest = min(map(dotted, deeper), key=len)
        problems.append(Problem(message, (*path, name), node.key, allowed, nearest))
    return problems, meant


def _blank(node: Node) -> Node:
    return replace(node, value=None)


def _refusal(message: str, path: Path, origin: Origin, *, allowed: str = "", nearest: str = "") -> RecipeError:
    return RecipeError([Problem(message, path, origin, allowed, nearest)])


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
