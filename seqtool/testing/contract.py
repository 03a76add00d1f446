"""What all contracts share: a part to build, rules to hold it against, words for what is wrong."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

import torch
from torch import Tensor, nn

from seqtool.errors import PartError
from seqtool.parts.vocabulary import Modality
from seqtool.registry.kinds import KINDS
from seqtool.registry.requirement_names import requirement_problem
from seqtool.registry.signature import read_constructor
from seqtool.testing.differences import Outputs, difference, snapshot

Method = TypeVar("Method", bound=Callable[..., None])


class ContractViolation(AssertionError):  # noqa: N818
    """A part does not keep the contract of its kind; the message says in words what is wrong."""


def rule(method: Method) -> Method:
    """Mark a method as a rule. Its docstring's first line is what the contract says."""
    method.__dict__["is_rule"] = True
    return method


MODALITIES: tuple[Modality, ...] = ("symbols", "continuous")


class Contract:
    """The rules of one kind, held against parts that `build` makes.

    Args:
        build: takes the sizes of the kind, as a recipe's slot does, and returns the part.
        name: what messages call the part; its class's name unless given.
        sizes: what to call `build` with, in the place of the suite's own choices.

    Attributes:
        kind: the kind, as `seqtool.registry.kinds` names it.
        all_sizes: sizes to try, all primes that differ; a part may refuse some by a `PartError`.
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
        """The names of the rules and what each says, the shared ones first."""
        names = [
            name
            for owner in reversed(cls.__mro__)
            for name, method in vars(owner).items()
            if getattr(method, "is_rule", False)
        ]
        return {name: (getattr(cls, name).__doc__ or "").partition("\n")[0] for name in dict.fromkeys(names)}

    def check(self, names: Iterable[str] = ()) -> None:
        """Hold the part against the named rules, or all; torch's global generator is left as it was.

        Raises:
            ContractViolation: at the first rule that is not kept.
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
        except Exception as error:  # whatever the code of a part does
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise ContractViolation(
                f"{self.label()}: raised {message} (while checking: {self.rules()[name]})"
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
        """A new part for evaluation; its parameters differ from how they start, so that no zero hides a fault."""
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
        raise PartError("it refuses all sizes that were tried: " + "; ".join(refusals))

    def randn(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Normal numbers from the suite's own generator."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float64).to(dtype)

    def exercise(self, part: Any) -> Outputs:
        """Use the part once, in the way that training or validation would; equal at every call."""
        raise NotImplementedError

    @rule
    def options_are_its_constructors(self) -> None:
        """Its constructor takes the sizes of its kind by position and names every option, with its type, by keyword."""
        cls = type(self.part())
        try:
            constructor = read_constructor(cls)
        except PartError as error:
            self.fail(str(error))
        count = len(KINDS[self.kind].sizes) if self.kind in KINDS else len(self.sizes)
        self.expect(constructor.takes(count), f"its constructor cannot be called with {count} sizes alone")

    @rule
    def repeatable(self) -> None:
        """The same call gives the same result, bit for bit, and so does a second part built alike."""
        part = self.part()
        first = self.exercise(part)
        for other, when in ((part, "the second time"), (self.part(), "in another part built alike")):
            second = self.exercise(other)
            for name, value in first.items():
                found = difference(value, second[name], exact=True)
                self.expect(found is None, f"{name} differ {when}: {found}")

    @rule
    def writes_nothing(self) -> None:
        """Use leaves no trace on the part: what moves is a state that is handed over by value."""
        part = self.part()
        before = snapshot(part)
        self.exercise(part)
        after = snapshot(part)
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        self.expect(not changed, f"use writes on self.{', self.'.join(changed)}; hand it over as state")

    @rule
    def requires_known_names(self) -> None:
        """`requires` is a frozenset of names that the core knows: see `REQUIREMENTS` and docs/plugins.md."""
        part = self.part()
        problem = requirement_problem(type(part)) or requirement_problem(part)
        self.expect(not problem, problem)

    @rule
    def own_randomness(self) -> None:
        """Nothing is drawn from torch's global generator."""
        part = self.part()
        before = torch.get_rng_state()
        self.exercise(part)
        drawn = not torch.equal(before, torch.get_rng_state())
        self.expect(not drawn, "draws from torch's global generator, so that resuming would need luck")


class ModalityContract(Contract):
    """A kind whose parts may require a modality: every rule is checked with each modality that a part takes.

    Attributes:
        modality: the one that is checked now.
    """

    modality: Modality = "symbols"

    def check(self, names: Iterable[str] = ()) -> None:
        """See `Contract.check`."""
        names = tuple(names)
        part = self.part()
        self.requires_known_names()
        taken = modalities(part)
        self.expect(bool(taken), "it requires symbols and continuous values, and no task has both on one side")
        for modality in taken:
            self.modality = modality
            super().check(names)


def modalities(part: Any) -> list[Modality]:
    """The modalities that a part takes: the one that it requires, or both."""
    return [one for one in MODALITIES if not part.requires & set(MODALITIES) - {one}]
