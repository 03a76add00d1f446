"""Hostile recipe files: random, huge, deep, circular, in other encodings."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

HEAD = "seqtool: 1\nname: hostile\n"
GOOD = HEAD + (
    "task: {type: alignment, source_length: 6, target_length: 2, symbols: 4}\n"
    "model:\n"
    "  decoder: {type: plain, cell: {type: lstm, hidden_size: 3}}\n"
    "  encoder: {type: rnn, cell: {type: lstm, hidden_size: 3}}\n"
    "train: {steps: 2}\n"
)
TOKENS = (
    "seqtool: 1", "name", "task:", "model:", "train:", "variants:", "extends:", "type", ": ", ":", "- ", "? ", "{", "}",
    "[", "]", ", ", "\n", "\n  ", "\n    ", "&a ", "*a", "!t ", "'", '"', "|", ">", "#", "%", "@", "`", "---", "...",
    "<<", "${model}", "${", "}", "null", "~", "1e-3", ".nan", ".inf", "0x1F", "9" * 400, "\t", "\r", "\x00", "\x85",
    "\u2028", "\ufeff", "\U0001f600", "\\", "\\x00", "steps", "gmm", "0", "-1", "true",
)  # fmt: skip


def soup(dice: random.Random) -> str:
    return "".join(dice.choices(TOKENS, k=dice.randrange(1, 60)))


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(1, 400))


def torn(dice: random.Random) -> str:
    """A recipe with shuffled, cut and repeated lines, and without its task, so that it is never valid."""
    lines = [line for line in GOOD.split("\n") if not line.startswith("task")]
    return "\n".join(line[: dice.randrange(len(line) + 1)] for line in dice.choices(lines, k=6))


def deep(dice: random.Random) -> str:
    depth = dice.choice((40, 400, 4000, 40000))
    opening = dice.choice(("[", "{a: ", "- ", "? "))
    return HEAD + "task: " + ("\n" if opening in "- ? " else "") + opening * depth


def deep_block(dice: random.Random) -> str:
    depth = dice.choice((33, 300, 700))
    return HEAD + "model:\n" + "".join(" " * (i + 1) + "cell:\n" for i in range(depth))


def aliases(dice: random.Random) -> str:
    """Each level contains the previous one ten times."""
    levels = dice.randrange(5, 20)
    lines = ["task: {type: alignment}", "a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return HEAD + "\n".join(lines)


def circular_alias(dice: random.Random) -> str:
    return HEAD + dice.choice(("task: &a [*a]", "task: &a {type: *a}", "model: &m {decoder: {cell: *m}}"))


def references(dice: random.Random) -> str:
    """`${...}` in circles, in long chains, and doubling at each step."""
    count = dice.choice((2, 3, 30, 300, 3000))
    wrap = dice.choice(("{}", "[{0}, {0}]", "{{a: {0}, b: {0}}}"))
    lines = [f"  a{i}: {wrap.format(f'${{train.a{(i + 1) % count}}}')}" for i in range(count)]
    return HEAD + "task: copy\nmodel: {decoder: plain}\ntrain:\n" + "\n".join(lines)


def doubling(dice: random.Random) -> str:
    count = dice.choice((10, 20, 25))
    lines = [f"  a{i}: ['${{train.a{i + 1}}}', '${{train.a{i + 1}}}']" for i in range(count)]
    return HEAD + "task: copy\nmodel: {decoder: plain}\ntrain:\n" + "\n".join(lines) + f"\n  a{count}: 1"


def huge(dice: random.Random) -> str:
    return GOOD + "#" * dice.choice((1_000_001, 3_000_000))


def many(dice: random.Random) -> str:
    count = dice.choice((5000, 30000))
    return dice.choice((
        GOOD + "\n".join(f"key{i}: {i}" for i in range(count)),
        GOOD + "variants: {" + ", ".join(f"v{i}: {{}}" for i in range(count)) + "}",
        GOOD + "seeds: [" + ", ".join("0" for i in range(count)) + "]",
        GOOD + "seeds: {count: " + "9" * (count % 18 + 1) + "}",
        GOOD + "x" * count,
        GOOD.replace("lstm", "l" * count, 1),
    ))  # fmt: skip


def encodings(dice: random.Random) -> bytes:
    codec = dice.choice(("utf-16", "utf-32", "utf-16-be", "latin-1", "cp037", "shift_jis"))
    return GOOD.replace("hostile", "h\u00f6stile" if codec != "shift_jis" else "\u30c6").encode(codec)


def odd_files(dice: random.Random) -> str:
    return dice.choice((
        "", "\n\n", "# nothing", "---", "--- \n...", "just a string", "3", "[]", "- a\n- b", "null", "{}", "&a",
        "!!map {}",
        "%YAML 9.9\n---\n" + GOOD, "%TAG ! x:\n---\n!foo " + GOOD, GOOD + "---\n" + GOOD, "\ufeff\ufeff" + GOOD,
        GOOD + "? {a: b}\n: c", GOOD + "~: 1", GOOD + ": 1", GOOD + "[a]: 1", GOOD + "seqtool: 1", GOOD + "'': 1",
        GOOD.replace("seqtool: 1", "seqtool: 99"), GOOD.replace("seqtool: 1", "seqtool: true"),
        GOOD.replace("hostile", "../../etc"), GOOD.replace("hostile", "'..'"), GOOD.replace("hostile", "a b"),
        GOOD.replace("hostile", "n" * 5000), GOOD + "variants: {'../x': {}}", GOOD + "variants: {a: {extends: b}}",
        GOOD + "variants: {a: {variants: {}}}", GOOD + "variants: [a]", GOOD + "variants: {a: 3}", GOOD + "extends: 3",
        GOOD + "extends: [a, b]", GOOD + "extends: nowhere.yaml", GOOD + "extends: .", GOOD + "extends: ''",
        GOOD + f"extends: {'x' * 5000}", GOOD + "extends: /dev/null", GOOD + "extends: file.yaml",
    ))  # fmt: skip


MAKERS: tuple[Callable[[random.Random], str | bytes], ...] = (
    soup, soup, soup, noise, torn, torn, deep, deep_block, aliases, circular_alias, references, doubling, huge, many,
    encodings, odd_files, odd_files, odd_files,
)  # fmt: skip


def hostile(folder: Path, count: int) -> Iterator[tuple[str, Path]]:
    """Yield `count` files with the names of their generators."""
    dice = random.Random(20)
    for i in range(count):
        if i % 25 == 0:
            yield "circle", circle(folder, dice.randrange(1, 7))
            continue
        maker = MAKERS[i % len(MAKERS)]
        content = maker(dice)
        path = folder / "file.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        yield f"{maker.__name__} {content[:300]!r}", path


def circle(folder: Path, length: int) -> Path:
    """Recipes that extend each other."""
    for i in range(length):
        (folder / f"circle{i}.yaml").write_text(f"{GOOD}extends: circle{(i + 1) % length}.yaml\n")
    return folder / "circle0.yaml"
