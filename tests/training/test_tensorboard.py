"""TensorBoard files contain the rows of metrics.csv and images of attention weights."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_run import rows

import seqtool
from seqtool.training.alignment_images import alignment_image


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_tensorboard_files_contain_the_rows(small: Path, tmp_path: Path) -> None:
    seqtool.run(small, out=tmp_path / "run", overrides=["train.tensorboard=true"])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run/default/seed0/tensorboard"))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars("train_loss")}
    wanted = {int(row["step"]): float(row["train_loss"]) for row in rows(tmp_path / "run/default/seed0")}
    assert found == pytest.approx(wanted)
    assert [event.step for event in events.Scalars("valid_loss")] == [25, 50, 60]
    assert {"valid_alignment_exact", "valid_attention_entropy", "valid_token_accuracy"} <= set(events.Tags()["scalars"])


def read_pictures(run: Path) -> dict[str, dict[int, np.ndarray]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "default/seed0/tensorboard"), {"images": 0})
    events.Reload()
    return {
        tag: {event.step: np.array(Image.open(io.BytesIO(event.encoded_image_string))) for event in events.Images(tag)}
        for tag in events.Tags()["images"]
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_alignments_are_pictures_of_the_snapshots(small: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    heads = "model.decoder.attention.heads=2"
    seqtool.run(small, out=run, overrides=["train.tensorboard=true", heads])
    found = read_pictures(run)
    assert sorted(found) == [f"alignment/example_{i}" for i in range(4)]
    for i in range(4):
        assert sorted(found[f"alignment/example_{i}"]) == [25, 50, 60]
        for step, pixels in found[f"alignment/example_{i}"].items():
            with np.load(run / f"default/seed0/snapshots/{step}.npz") as arrays:
                gold = [place for place in arrays["gold"][i].tolist() if place >= 0]
                real = arrays["memory_mask"][i]
                weights = arrays["weights"][i][:, : len(gold)][:, :, real] * (arrays["scale"][i][:, None, None] / 255)
            assert pixels.shape == (12 * len(gold), 2 * 12 * int(real.sum()) + 1, 3)
            for t, place in enumerate(gold):
                assert pixels[12 * t, 12 * place].tolist() == [213, 94, 0]
            middle = pixels[6::12, 6 : 12 * int(real.sum()) : 12, 0].astype(
                float
            )  # of the first head, darker for larger weights
            wanted = 255 - weights[0] / max(0.25, weights[0].max()) * (255 - 8)
            assert np.abs(middle - wanted).max() <= 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
def test_without_attention_there_are_no_pictures(small: Path, tmp_path: Path) -> None:
    plain = "model.decoder={type: plain, cell: {type: gru, hidden_size: 8}, bridge: linear}"
    seqtool.run(small, out=tmp_path / "run", overrides=["train.tensorboard=true", "train.steps=5", plain])
    assert read_pictures(tmp_path / "run") == {}


def test_a_picture_by_hand() -> None:
    weights = np.zeros((1, 2, 3))
    weights[0, 0, 1] = 1.0
    pixels = alignment_image(weights, [1, -1])
    assert pixels.shape == (24, 36, 3)
    assert pixels[6, 18].tolist() == [8, 48, 107]
    assert pixels[0, 12].tolist() == [213, 94, 0]
    assert pixels[18, 6].tolist() == [255, 255, 255]
    large = alignment_image(np.full((3, 40, 1500), np.nan), [1499] * 40)
    assert large.shape == (40, 3 * 1500 + 2, 3)
    assert large[0, 1499].tolist() == [213, 94, 0]
