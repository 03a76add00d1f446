"""Recipes with one fault each at a known line, created by editing the text of a valid recipe."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LEGAL_WITHOUT = {"seeds", "embedding", "encoder", "normalizer", "variants", "optimizer", "clip_norm", "extends"}
"""Optional entries of the bundled recipes; a missing other entry must be reported."""


@dataclass(frozen=True)
class Mutant:
    """A broken recipe; `line` is the line of its fault, from 1."""

    operator: str
    text: str
    line: int


@dataclass(frozen=True)
class Site:
    """One `key: value` of a recipe. `first`: of its mapping; `above`: the line of its mapping's own key."""

    path: tuple[str, ...]
    key: Any
    value: Any
    first: bool
    flow: bool
    above: int

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def line(self) -> int:
        return int(self.key.start_mark.line) + 1

    @property
    def one_line(self) -> bool:
        """A block entry that occupies one line."""
        return not self.flow and self.key.start_mark.line == self.value.end_mark.line

    @property
    def names_a_variant(self) -> bool:
        return len(self.path) == 2 and self.path[0] == "variants"


def sites(text: str) -> list[Site]:
    """All entries of all mappings of a recipe."""
    found = []

    def walk(node: Any, path: tuple[str, ...], above: int) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        for i, (key, value) in enumerate(node.value):
            found.append(Site((*path, key.value), key, value, i == 0, bool(node.flow_style), above))
            walk(value, (*path, key.value), key.start_mark.line + 1)

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    walk(root, (), root.start_mark.line + 1)
    return found


def splice(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def replace_node(text: str, node: Any, new: str) -> str:
    return splice(text, node.start_mark.index, node.end_mark.index, new)


def edit_line(text: str, line: int, edit: Callable[[str], str]) -> str:
    lines = text.split("\n")
    lines[line - 1] = edit(lines[line - 1])
    return "\n".join(lines)


def insert_after(text: str, line: int, new: str) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:line], new, *lines[line:]])


def typo(word: str, dice: random.Random) -> str:
    """A typing error: a letter dropped, doubled, swapped with the next, or replaced."""
    i = dice.randrange(len(word))
    slips = [
        word[:i] + word[i + 1 :],
        word[:i] + word[i] * 2 + word[i + 1 :],
        word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :],
        word[:i] + dice.choice(LETTERS) + word[i + 1 :],
    ]
    changed = [slip for slip in slips if slip and slip != word]
    return dice.choice(changed)


def misspelt_keys(text: str, dice: random.Random) -> Iterator[Mutant]:
    for site in sites(text):
        if not site.names_a_variant:
            yield Mutant("misspelt key", replace_node(text, site.key, typo(site.name, dice)), site.line)


def misspelt_names(text: str, dice: random.Random) -> Iterator[Mutant]:
    """Misspelt names of parts and of choices."""
    for site in sites(text):
        values = site.value.value if isinstance(site.value, yaml.SequenceNode) else [site.value]
        for value in values:
            if isinstance(value, yaml.ScalarNode) and value.value.isidentifier() and is_text(site, value):
                line = value.start_mark.line + 1
                yield Mutant("misspelt name", replace_node(text, value, typo(value.value, dice)), line)


def is_text(site: Site, value: Any) -> bool:
    return value.tag == "tag:yaml.org,2002:str" and site.name not in ("name", "extends")


WRONG = {
    "int": ["abc", "true", "1.5", "[1]", "{a: 1}", "'3'", ".inf", ".nan", "1e400", "9" * 30, "9" * 6000, "1_0", "-1"],
    "float": ["fast", "false", "[0.1]", "{a: 0.1}", "'0.1'", ".inf", "-.inf", ".nan", "-0.5"],
    "str": ["17", "true", "[a]", "2.5"],
    "bool": ["yes", "on", "1", "null", "[true]"],
}


def wrong_values(text: str, dice: random.Random) -> Iterator[Mutant]:
    """Values of another type, or out of range."""
    for site in sites(text):
        values = site.value.value if isinstance(site.value, yaml.SequenceNode) else [site.value]
        for value in values:
            kind = value.tag.rpartition(":")[2]
            if "e-" in value.value:
                kind = "float"
            for wrong in WRONG.get(kind, []):
                yield Mutant("wrong value", replace_node(text, value, wrong), value.start_mark.line + 1)


def collapsed_mappings(text: str, dice: random.Random) -> Iterator[Mutant]:
    """A number or a list instead of a mapping on one line."""
    for site in sites(text):
        single = site.value.start_mark.line == site.value.end_mark.line
        if isinstance(site.value, yaml.MappingNode) and single:
            for wrong in ("3", "[a, b]", "true"):
                yield Mutant("no mapping", replace_node(text, site.value, wrong), site.line)


def duplicate_keys(text: str, dice: random.Random) -> Iterator[Mutant]:
    lines = text.split("\n")
    for site in sites(text):
        if site.one_line:
            yield Mutant("duplicate key", insert_after(text, site.line, lines[site.line - 1]), site.line + 1)
        elif site.flow:
            entry = text[site.key.start_mark.index : site.value.end_mark.index]
            twice = splice(text, site.value.end_mark.index, site.value.end_mark.index, f", {entry}")
            yield Mutant("duplicate key", twice, site.value.end_mark.line + 1)


def bad_indentation(text: str, dice: random.Random) -> Iterator[Mutant]:
    """A line with wrong indentation. The first line of a block is excluded, because the others would then be wrong."""
    for site in sites(text):
        if site.flow or site.first:
            continue
        yield Mutant("indentation", edit_line(text, site.line, lambda line: " " + line), site.line)
        if site.key.start_mark.column:
            yield Mutant("indentation", edit_line(text, site.line, lambda line: line[1:]), site.line)
            yield Mutant("indentation", edit_line(text, site.line, lambda line: "\t" + line.lstrip()), site.line)


def unknown_options(text: str, dice: random.Random) -> Iterator[Mutant]:
    for site in sites(text):
        name = "".join(dice.choices(LETTERS, k=9))
        if site.one_line:
            new = " " * site.key.start_mark.column + f"{name}: 1"
            yield Mutant("unknown option", insert_after(text, site.line, new), site.line + 1)
        elif site.flow:
            end = site.value.end_mark
            yield Mutant("unknown option", splice(text, end.index, end.index, f", {name}: 1"), end.line + 1)


def missing_entries(text: str, dice: random.Random) -> Iterator[Mutant]:
    """A missing required entry, reported at its mapping's key."""
    if "\nextends:" in text:
        return
    for site in sites(text):
        if site.name in LEGAL_WITHOUT or site.names_a_variant or not required(site):
            continue
        if site.flow:
            start, end = site.key.start_mark.index, site.value.end_mark.index
            end += len(text[end:]) - len(text[end:].lstrip(", "))
            yield Mutant("missing", splice(text, start, end, ""), site.above)
        elif site.one_line:
            lines = text.split("\n")
            yield Mutant("missing", "\n".join(lines[: site.line - 1] + lines[site.line :]), site.above)


def required(site: Site) -> bool:
    """The required entries of a recipe; variants may omit shared ones."""
    if site.path[0] == "variants":
        return site.name == "hidden_size"
    always = {"seqtool", "name", "task", "source_length", "target_length", "steps", "cell", "hidden_size", "scorer"}
    return site.name in always or (site.name == "type" and site.path[-2] not in ("optimizer", "encoder", "readout"))


def bad_references(text: str, dice: random.Random) -> Iterator[Mutant]:
    """`${...}` that refers to itself or to nothing, or is only a part of the value."""
    for site in sites(text):
        if not isinstance(site.value, yaml.ScalarNode) or site.path[0] not in ("task", "model", "train"):
            continue
        for reference in ("${" + ".".join(site.path) + "}", "${no.such.place}", "x${task.symbols}", "${}", "${task"):
            yield Mutant("reference", replace_node(text, site.value, f'"{reference}"'), site.line)


def broken_syntax(text: str, dice: random.Random) -> Iterator[Mutant]:
    for site in sites(text):
        start, end = site.value.start_mark, site.value.end_mark
        if site.names_a_variant or (isinstance(site.value, yaml.MappingNode) and not site.value.flow_style):
            continue
        closes = isinstance(site.value, yaml.CollectionNode) and start.line == end.line
        if closes:
            yield Mutant("unclosed bracket", splice(text, end.index - 1, end.index, ""), site.line)
            yield Mutant("bracket too many", splice(text, end.index, end.index, text[end.index - 1]), site.line)
        else:
            for wrong in ('"abc', "'abc", "@x", "`x", '"\\q"', '"\\UFFFFFFFF"', '"\\ud800"', "*nowhere", "!!str x"):
                yield Mutant("bad scalar", replace_node(text, site.value, wrong), site.line)
            yield Mutant("bad character", replace_node(text, site.value, "a\x00b"), site.line)
            yield Mutant("bad character", replace_node(text, site.value, "a\x1bb"), site.line)
        if site.one_line:
            column = site.key.end_mark.column
            no_colon = edit_line(text, site.line, lambda line: line[:column] + line[column + 1 :])  # noqa: B023
            yield Mutant("missing colon", no_colon, site.line)
            indent = " " * site.key.start_mark.column
            for line in (f"{indent}- item", "---", f"{indent}1: x", f"{indent}<<: {{a: 1}}", f"{indent}? [a]"):
                yield Mutant("stray line", insert_after(text, site.line, line), site.line + 1)


OPERATORS = (
    misspelt_keys,
    misspelt_keys,
    misspelt_names,
    misspelt_names,
    wrong_values,
    collapsed_mappings,
    duplicate_keys,
    bad_indentation,
    unknown_options,
    missing_entries,
    bad_references,
    broken_syntax,
)


def mutants(text: str, seed: int) -> list[Mutant]:
    """All mutants of a recipe, with one random typing error per site."""
    dice = random.Random(seed)
    return [mutant for operator in OPERATORS for mutant in operator(text, dice)]
