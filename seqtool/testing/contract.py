"""The base class of the contracts: it builds parts, checks rules and reports violations."""

import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

import torch
from torch import Tensor, nn

from seqtool.errors import PartError, SeqtoolError
from seqtool.parts.vocabulary import Modality
from seqtool.registry.kinds import KINDS
from seqtool.registry.requirement_names import requirement_problem
from seqtool.registry.signature import read_constructor
from seqtool.testing.differences import Outputs, changes, difference, snapshot

Method = TypeVar("Method", bound=Callable[..., None])


class ContractViolation(AssertionError):  # noqa: N818
    """A part breaks a rule of its contract; the message describes how."""


def rule(method: Method) -> Method:
    """Mark a method as a rule. The first line of its docstring states the rule."""
    method.__dict__["is_rule"] = True
    return method


MODALITIES: tuple[Modality, ...] = ("symbols", "continuous")


class Contract:
    """The rules of one kind, checked on parts that `build` returns.

    Args:
        build: takes the sizes of the kind, and returns the part.
        name: name of the part in messages; default: the name of its class.
        sizes: arguments of `build`; default: the first of `all_sizes` that the part accepts.

    Attributes:
        kind: a name in `seqtool.registry.kinds`.
        all_sizes: sizes to try, different primes; a part may refuse sizes with a `PartError`.
    """

    kind: ClassVar[str]
    all_sizes: Sequence[tuple[Any, ...]] = ((),)

    def __init__(self, build: Callable[..., Any], *, name: str = "", sizes: tuple[Any, ...] | None = None) -> None:
        self.build = build
        self.name = name
        if sizes is not None:
            self.all_sizes = (sizes,)
        self.sizes: tuple[Any, ...] = ()
        self.generator = torch.Generator()

    @classmethod
    def rules(cls) -> dict[str, str]:
        """Name -> statement of each rule, those of base classes first."""
        names = [
            name
            for owner in reversed(cls.__mro__)
            for name, method in vars(owner).items()
            if getattr(method, "is_rule", False)
        ]
        return {name: (getattr(cls, name).__doc__ or "").partition("\n")[0] for name in dict.fromkeys(names)}

    def check(self, names: Iterable[str] = ()) -> None:
        """Check the named rules, or all; the state of torch's global generator is restored.

        Raises:
            ContractViolation: the first broken rule.
        """
        for name in names or self.rules():
            with torch.random.fork_rng(devices=[]):
                self.generator.manual_seed(0)
                self._check_one(name)

    def _check_one(self, name: str) -> None:
        try:
            getattr(self, name)()
        except ContractViolation:
            raise
        except Exception as error:  # a part may raise anything
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise ContractViolation(
                f"{self.label()}: {crash(error)}\n{message}\nThe call checked: {self.rules()[name]}"
            ) from error

    def fail(self, message: str) -> NoReturn:
        """Raise a `ContractViolation` that begins with the part's kind and name."""
        raise ContractViolation(f"{self.label()}: {message}")

    def expect(self, condition: bool, message: str) -> None:
        """Fail with `message` unless `condition`."""
        if not condition:
            self.fail(message)

    def label(self) -> str:
        """`scorer additive`."""
        return f"{self.kind} {self.name or '(not built)'}"

    def part(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
        """A new part in evaluation mode, with noise added to its parameters, because zeros could hide a fault."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            part = self._build()
        self.name = self.name or type(part).__name__
        if isinstance(part, nn.Module):
            part = part.to(dtype).eval()
            noise = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for parameter in part.parameters():
                    draw = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
                    parameter.add_(0.3 * draw.to(dtype))
        return part

    def _build(self) -> Any:
        refusals = []
        for sizes in self.all_sizes:
            try:
                part = self.build(*sizes)
            except PartError as error:
                refusals.append(f"{sizes}: {error}")
            else:
                self.sizes = sizes
                return part
        raise PartError("it refuses all sizes: " + "; ".join(refusals))

    def randn(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Normal random numbers from `self.generator`."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64).to(dtype)

    def exercise(self, part: Any) -> Outputs:
        """Use the part once, as training or validation does; the outputs are the same at every call."""
        raise NotImplementedError

    @rule
    def constructor_signature(self) -> None:
        """The constructor has the sizes of the kind as positional parameters and annotated keyword-only options."""
        cls = type(self.part())
        try:
            constructor = read_constructor(cls)
        except PartError as error:
            self.fail(str(error))
        count = len(KINDS[self.kind].sizes) if self.kind in KINDS else len(self.sizes)
        self.expect(constructor.takes(count), f"its constructor cannot be called with only {count} sizes")

    @rule
    def repeatable(self) -> None:
        """The same call gives bit-identical results, also in a second part built with the same seed."""
        part = self.part()
        first = self.exercise(part)
        for other, when in ((part, "the second time"), (self.part(), "in a second part built with the same seed")):
            second = self.exercise(other)
            for name, value in first.items():
                found = difference(value, second[name], exact=True)
                self.expect(found is None, f"{name} differ {when}: {found}")

    @rule
    def no_side_effects(self) -> None:
        """Use does not change the part: whatever changes is passed as state."""
        part = self.part()
        before = snapshot(part)
        self.exercise(part)
        changed = changes(before, snapshot(part))
        self.expect(not changed, f"use writes on self.{', self.'.join(changed)}; pass it as state")

    @rule
    def requires_known_names(self) -> None:
        """`requires` is a frozenset of known names: see `REQUIREMENTS` and docs/plugins.md."""
        part = self.part()
        problem = requirement_problem(type(part)) or requirement_problem(part)
        self.expect(not problem, problem)

    @rule
    def no_global_randomness(self) -> None:
        """The part draws nothing from torch's global generator."""
        part = self.part()
        before = torch.get_rng_state()
        self.exercise(part)
        drawn = not torch.equal(before, torch.get_rng_state())
        self.expect(not drawn, "draws from torch's global generator, so a resumed run could differ")


def crash(error: Exception) -> str:
    """Which function raised an error of the part, in words; functions of libraries and of the suite are not named."""
    what = "it refuses the call" if isinstance(error, SeqtoolError) else "it crashes"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if not path.is_relative_to(Path(__file__).parent) and "site-packages" not in path.parts:
            return f"{what} in {frame.name}, {path.name} line {frame.lineno}"
    return what


class ModalityContract(Contract):
    """The contract of a kind whose parts may require a modality; each rule is checked for all accepted modalities.

    Attributes:
        modality: the modality under test.
    """

    modality: Modality = "symbols"

    def check(self, names: Iterable[str] = ()) -> None:
        """See `Contract.check`."""
        names = tuple(names)
        part = self.part()
        self.requires_known_names()
        accepted = modalities(part)
        self.expect(
            bool(accepted), "it requires symbols and continuous values, but a side of a task has only one of them"
        )
        for modality in accepted:
            self.modality = modality
            super().check(names)


def modalities(part: Any) -> list[Modality]:
    """The modalities that a part accepts: the one that it requires, or both."""
    return [one for one in MODALITIES if not part.requires & set(MODALITIES) - {one}]
