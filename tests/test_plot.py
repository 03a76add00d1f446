"""`seqtool plot`: file formats, and figures that show the data of the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from fake_runs import Call, write_run
from matplotlib.figure import Figure

from seqtool.analysis.figures import COLOURS, averaged, render_figure
from seqtool.analysis.plots import FIGURES, PlotOptions, plot
from seqtool.errors import MisuseError, SeqtoolError
from seqtool.runs.read import read_run

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def drawn(run: Path, name: str, **options: object) -> dict[str, Figure | str]:
    return dict(FIGURES[name](read_run(run), PlotOptions(**options)))


def test_all_figures_in_all_formats(tmp_path: Path, call: Call) -> None:
    run = write_run(tmp_path / "run", ("one", "two"), (0, 1))
    code, out, err = call("plot", run, *(word for form in MAGIC for word in ("--format", form)))
    assert (code, err) == (0, "")
    names = ("losses", "alignments-one", "alignments-two", "entropy", "lengths")
    assert out.split() == [str(run / "figures" / f"{name}.{form}") for name in names for form in MAGIC]
    for path in map(Path, out.split()):
        assert path.read_bytes().startswith(MAGIC[path.suffix[1:]])
    assert b"FontFile2" in (run / "figures/losses.pdf").read_bytes()
    assert b"<text" not in (run / "figures/losses.svg").read_bytes()  # text is outlines, so no font is required


def test_loss_curves_are_means_over_seeds_and_steps(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("one", "two"), (0, 1, 2))
    figure = drawn(run, "losses", every=20)["losses"]
    assert isinstance(figure, Figure)
    one, two = figure.axes[0].get_lines()
    assert one.get_label() == "one (100 parameters)"
    assert one.get_xdata().tolist() == [20, 40]
    wanted = [np.mean([2 - (step + 5) / 40 + 0.1 * seed for seed in range(3)]) for step in (10, 30)]
    assert one.get_ydata().tolist() == pytest.approx(wanted)
    assert two.get_ydata().tolist() == pytest.approx([value + 1 for value in wanted])
    assert [one.get_color(), two.get_color()] == list(COLOURS[:2])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(2 - 15 / 40 + 0.2)


def test_rows_are_averaged_within_groups_of_steps() -> None:
    curve = {7: 1.0, 14: 2.0, 21: 3.0, 28: 5.0, 30: 7.0}
    assert averaged(curve, 14) == {14: 1.5, 28: 4.0, 30: 7.0}
    assert averaged(curve, 1) == curve


def test_a_grid_has_a_heatmap_for_each_example_and_head(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", heads=3)
    figure = drawn(run, "alignments", examples=(1, 4))["alignments-default"]
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == [f"example {e}, head {n}" for e in (1, 4) for n in range(3)]
    weights = figure.axes[0].images[0].get_array()
    assert weights.shape == (3, 6)  # target symbols, source positions
    assert [weights[k, k] for k in range(3)] == [0.75] * 3
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "c", "a"]


def test_entropy_and_accuracy_by_length_equal_those_of_the_files(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", wrong=[0, 3, 6])  # examples with 2 symbols
    figure = drawn(run, "entropy")["entropy"]
    assert isinstance(figure, Figure)
    (line,) = figure.axes[0].get_lines()
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([20, 40], [2.0, 1.0])
    figure = drawn(run, "lengths")["lengths"]
    assert isinstance(figure, Figure)
    exact, tokens = (axes.get_lines()[0] for axes in figure.axes)
    assert (list(exact.get_xdata()), list(exact.get_ydata())) == ([2, 3, 4], [0, 1, 1])
    assert list(tokens.get_ydata()) == [0.5, 1, 1]


def test_width_is_in_inches(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for name in FIGURES:
        for figure in drawn(run, name, width=3.3).values():
            assert isinstance(figure, Figure)
            assert figure.get_size_inches()[0] == pytest.approx(3.3)


def test_missing_files_are_reported_and_other_figures_drawn(tmp_path: Path, call: Call) -> None:
    run = write_run(tmp_path / "run", attention=False)
    (run / "default/seed0/metrics.csv").write_text("step,train_loss\n10,1.0\n20,x\n30,")
    (run / "default/seed0/environment.json").write_bytes(b"\0")
    code, out, err = call("plot", run, "--json", "--out", tmp_path / "out")
    assert code == 0
    found = json.loads(out)
    assert [Path(path).name for path in found["figures"]] == ["losses.png", "lengths.png"]
    assert "alignments-default: no attention weights of these examples can be read" in found["notes"]
    assert any(note.startswith("entropy: ") for note in found["notes"])
    assert any("metrics.csv" in problem for problem in found["problems"])
    assert "Traceback" not in err


def test_unusual_symbols_are_drawn(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("$x_$",), symbols="\n$́🙂שa")
    found = plot(run, formats=["png", "svg"])
    assert len(found.paths) == 8


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for form in ("svg", "pdf", "png"):
        one, two = (drawn(run, "losses")["losses"] for _ in range(2))
        assert isinstance(one, Figure)
        assert isinstance(two, Figure)
        assert render_figure(one, form) == render_figure(two, form)


def test_invalid_arguments_of_plot(tmp_path: Path) -> None:
    with pytest.raises(SeqtoolError, match="gone is not a run"):
        plot(tmp_path / "gone")
    run = write_run(tmp_path / "run", ("attentive",))
    with pytest.raises(MisuseError, match="did you mean 'attentive'"):
        plot(run, variants=["atentive"])
