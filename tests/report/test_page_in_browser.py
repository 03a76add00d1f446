"""The page in Chromium: it works, makes no network requests, and shows data as text."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_run import made_run, write_arrays, write_lines

from seqtool.analysis.report import write_report

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER) and not os.environ.get("SEQTOOL_NEEDS_BROWSER"):
    pytest.skip("no chromium and chromedriver here (Debian: chromium chromium-driver)", allow_module_level=True)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER or ""))
    driver.get("about:blank")
    yield driver
    driver.quit()


class Page:
    """A report opened in the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, width: int = 1280, dark: bool = False) -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(path.as_uri())
        self.until("!document.getElementById('explorer') || Boolean(report.explorer)")

    def run(self, script: str) -> Any:
        return self.driver.execute_script(f"return ({script})")

    def until(self, script: str) -> None:
        for _ in range(500):
            if self.run(script):
                return
            self.driver.execute_async_script("requestAnimationFrame(arguments[0])")
        raise AssertionError(f"never: {script}")

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({selector!r}).textContent"))

    def press(self, selector: str, *keys: str) -> None:
        self.driver.find_element("css selector", selector).send_keys(*keys)

    def pick(self, selector: str, value: object) -> None:
        script = (
            "const one = document.querySelector(arguments[0]); one.value = arguments[1];"
            "one.dispatchEvent(new Event('change'))"
        )
        self.driver.execute_script(script, selector, str(value))

    def processor_seconds(self) -> float:
        """The processor time of the page's thread since the page was opened."""
        found = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(metric["value"] for metric in found if metric["name"] == "ThreadTime"))

    def requests(self) -> list[str]:
        """The addresses requested since the page was opened."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]


@pytest.fixture
def page(chromium: Any) -> Page:
    return Page(chromium)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = made_run(tmp_path_factory.mktemp("run") / "run", heads={"attentive": 2, "other": 0})
    return write_report(run.path).path


def test_page_loads_without_errors_or_requests(page: Page, report: Path) -> None:
    page.open(report)
    assert page.driver.get_log("browser") == []
    assert page.requests() == [report.as_uri()]
    assert page.run("document.querySelectorAll('#charts .uplot').length") == 4
    assert page.text("h1") == "made"


def test_pointing_at_a_target_symbol_highlights_the_source(page: Page, report: Path) -> None:
    page.open(report)
    first = page.text("#status")
    target = page.driver.find_elements("css selector", "#target .unit")[2]
    webdriver.ActionChains(page.driver).move_to_element(target).perform()
    assert target.get_attribute("aria-selected") == "true"
    assert page.text("#status") != first
    gold = page.run("report.explorer.seed.views[0].at(-1).gold[2]")
    units = page.driver.find_elements("css selector", "#source .unit")
    assert "gold" in (units[gold].get_attribute("class") or "")
    assert units[gold].text.endswith(".63")  # the mean of .8 and .4, plus the uniform rest
    assert page.text("#status").startswith("3 of 5, ")
    colours = [unit.value_of_css_property("background-color") for unit in units]
    assert colours.count(colours[gold]) == 1


def test_page_works_with_the_keyboard_only(page: Page, report: Path) -> None:
    page.open(report)
    keys = webdriver.Keys
    page.press("#target", keys.ARROW_RIGHT, keys.ARROW_RIGHT)
    assert page.run("document.activeElement.id") == "target"
    active = page.run("document.getElementById('target').getAttribute('aria-activedescendant')")
    assert page.run(f"document.getElementById('{active}').getAttribute('aria-selected')") == "true"
    assert page.text("#status").startswith("3 of 5, ")
    page.press("#target", keys.END)
    assert page.text("#status").startswith("5 of 5, ")
    page.press("#target", keys.HOME, keys.ARROW_LEFT)
    assert page.text("#status").startswith("1 of 5, ")
    page.press("#target", keys.PAGE_DOWN)
    assert page.run("report.explorer.at.example") == 1
    page.press("#charts .plot", keys.HOME)
    assert "step 5" in page.text("#charts .plot .tip")
    page.press("#charts .plot", keys.ARROW_RIGHT)
    assert "step 10" in page.text("#charts .plot .tip")
    page.press("#step", keys.ARROW_LEFT)
    assert "step 100" in page.text("#step-label")


def test_slider_shows_snapshots_of_training(page: Page, report: Path) -> None:
    page.open(report)
    seen = []
    for i in range(4):
        page.driver.execute_script(
            "const s = document.getElementById('step'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))", i
        )
        gold = page.run("report.explorer.shown().view.gold[0]")
        seen.append((page.text("#step-label"), page.run(f"report.explorer.shown().weights[{gold}]")))
    steps = [said.split(",")[0] for said, _ in seen]
    assert steps == ["step 25", "step 50", "step 100", "after training"]
    weights = [weight for _, weight in seen]
    assert weights[0] < weights[1] < weights[2]
    assert weights[2] == pytest.approx(weights[3], abs=0.01)
    assert page.run("document.querySelectorAll('#film canvas').length") == 4
    wrong = "document.querySelectorAll('#target .wrong').length"
    page.press("#step", webdriver.Keys.HOME)
    assert page.run(wrong) == 5
    page.press("#play", webdriver.Keys.ENTER)
    page.until("document.getElementById('step').value === '3' && document.getElementById('play').textContent === '▶'")


def test_heads_examples_and_models_can_be_selected(page: Page, report: Path) -> None:
    page.open(report)
    gold = page.run("report.explorer.shown().view.gold[0]")
    weights = []
    for head in (0, 1, -1):
        page.pick("#head", head)
        weights.append(page.run(f"report.explorer.shown().weights[{gold}]"))
    assert weights[0] > weights[1]
    assert weights[2] == pytest.approx(sum(weights[:2]) / 2, abs=1e-6)
    page.pick("#example", 11)
    assert page.run("document.getElementById('step').disabled")
    assert "kept for the examples with ▸" in page.text("#step-label")
    page.pick("#model", 2)
    page.until("report.explorer.at.model === 2")
    assert "no weights" in page.text("#status")
    page.pick("#model", 1)
    page.until("report.explorer.at.model === 1")
    page.driver.find_element("id", "wrong").click()
    marks = page.run("[...document.querySelectorAll('#example option')].map((one) => one.textContent.includes('✗'))")
    assert marks
    assert all(marks)


def test_errors_are_filtered_by_text(page: Page, report: Path) -> None:
    page.open(report)
    listed = (
        "[...document.querySelectorAll('#mistakes details[open] .mistake:not([hidden])')].map((one) => one.innerText)"
    )
    every = page.run(listed)
    first = page.run("[...document.querySelectorAll('#mistakes .mistake dd')][0].querySelector('.symbol').textContent")
    for wanted, count in ((first, sum(first in one for one in every)), ("no such text", 0), ("", len(every))):
        page.driver.execute_script(
            "const box = document.querySelector('.mistake-filter'); box.value = arguments[0]; "
            "box.dispatchEvent(new Event('input'))",
            wanted,
        )
        assert len(page.run(listed)) == count
        assert page.run("document.querySelector('#mistakes .filter .count').textContent") == f"{count} shown"


def test_an_error_opens_its_weights(page: Page, report: Path) -> None:
    page.open(report)
    button = page.driver.find_element("css selector", ".show-weights")
    number = int(button.get_attribute("data-number") or "-1")
    page.driver.execute_script("arguments[0].click()", button)
    page.until(f"report.explorer.at.example === {number} && document.activeElement.id === 'target'")
    assert page.run("document.querySelectorAll('#target .wrong').length") > 0


def test_gold_can_be_hidden(page: Page, report: Path) -> None:
    page.open(report)
    assert "gold" in page.text("#status")
    page.driver.find_element("id", "gold").click()
    assert "gold" not in page.text("#status")
    assert page.run("document.querySelectorAll('#source .gold').length") == 0


def brightness(page: Page) -> float:
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))


def test_light_and_dark_follow_the_system_and_the_button(page: Page, report: Path) -> None:
    page.open(report, dark=True)
    page.driver.execute_script("localStorage.clear()")
    page.open(report, dark=True)
    assert brightness(page) < 150
    page.open(report)
    assert brightness(page) > 600
    page.press("#theme", webdriver.Keys.ENTER)
    assert brightness(page) < 150
    page.open(report)
    assert brightness(page) < 150, "the result is cached"
    page.driver.execute_script("localStorage.clear()")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_page_does_not_scroll_sideways_at_any_width(page: Page, report: Path, width: int) -> None:
    page.open(report, width)
    page.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.run("document.getElementById('heat').getBoundingClientRect().width") <= width


HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "\"'`&amp;{{ 7 * 7 }}${hacked}",
    "<!--",
    "x" * 10_000,
    "שלום",
    "العربية",
    "\u202eright to left",
    "\u0301",
    "Z" + "\u0334\u0353\u0300" * 60,
    "👩\u200d🚀",
    "🏳️\u200d🌈",
    "\u2028",
    "\x00",
    "\n",
    "",
    "\ud83d",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = "<b onclick=window.hacked=3>&amp;"
    run = made_run(
        tmp_path_factory.mktemp("hostile") / "run", variants=[name], heads={name: 1}, seeds=[0], examples=1,
        source=len(HOSTILE), target=len(HOSTILE), name="<img src=x onerror='window.hacked = 4'>",
    )  # fmt: skip
    place = run.seed(name, 0)
    line = {"source": HOSTILE, "target": HOSTILE, "predicted": HOSTILE[::-1], "exact": False}
    write_lines(place.predictions, [line])
    write_lines(place.snapshot_examples, [line])
    weights = np.eye(len(HOSTILE), dtype=np.float32)[None, None]
    gold = np.arange(len(HOSTILE))[None]
    write_arrays(place.alignments, {"gold": gold, "weights": weights, "memory_mask": np.ones(gold.shape, bool)})
    for path in (run.resolved(name), run.path / "recipe.yaml"):
        path.write_text(f"a: '{HOSTILE[0]}'\nb: '{HOSTILE[1]}'\n")
    return write_report(run.path).path


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_text_is_escaped(page: Page, hostile: Path, width: int) -> None:
    page.open(hostile, width)
    page.driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    for unit in page.driver.find_elements("css selector", "#target .unit"):
        page.driver.execute_script("arguments[0].click()", unit)
    assert page.run("window.hacked === undefined")
    assert page.run("document.querySelectorAll('img, b[onclick], main script').length") == 0
    assert page.driver.get_log("browser") == []
    assert page.requests() == [hostile.as_uri()]
    shown = page.run("[...document.querySelectorAll('#source .unit bdi')].map((one) => one.textContent)")
    assert shown[:2] == HOSTILE[:2]
    assert shown[2] == HOSTILE[2]
    assert shown[4] == "x" * 200 + "… (10,000 characters)"
    assert shown[5:9] == ["שלום", "العربية", "⟨U+202E⟩right to left", "◌\u0301"]
    assert shown[10:] == ["👩\u200d🚀", "🏳️\u200d🌈", "⟨U+2028⟩", "␀", "↵", "∅", "⟨U+D83D⟩"]
    assert page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    heights = page.run("[...document.querySelectorAll('#source .unit')].map((one) => one.offsetHeight)")
    assert max(heights) <= 2 * min(heights)
    assert page.text("h1") == "<img src=x onerror='window.hacked = 4'>"
    assert HOSTILE[0] in page.text("pre")


def test_content_security_policy_allows_only_the_pages_scripts(page: Page, report: Path, tmp_path: Path) -> None:
    added = "<script>window.hacked = 5</script><img src='https://example.invalid/a.png'></body>"
    (tmp_path / "added.html").write_text(report.read_text().replace("</body>", added))
    page.open(tmp_path / "added.html")
    assert page.run("window.hacked === undefined")
    said = " ".join(entry["message"] for entry in page.driver.get_log("browser"))
    assert said.count("Content Security Policy") == 2


def test_tables_are_shown_without_scripts(page: Page, report: Path) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.driver.get(report.as_uri())
        assert page.driver.find_element("id", "explorer-status").text.endswith("which this browser does not run.")
        assert "attentive" in page.driver.find_element("id", "results").text
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_page_opens_in_less_than_two_seconds(page: Page, tmp_path: Path) -> None:
    """Processor time until the first and another alignment are drawn, with 3 variants, 5 seeds, 200 examples."""
    run = made_run(
        tmp_path / "run", variants=["a", "b", "c"], seeds=range(5), examples=200, source=60, target=20, dense=True,
        heads=dict.fromkeys("abc", 1), snapshots=range(100, 2500, 100),
    )  # fmt: skip
    report = write_report(run.path).path
    page.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    page.open(report)
    assert page.driver.get_log("browser") == []
    taken = page.processor_seconds()
    assert 0 < taken < 1
    page.pick("#model", 14)
    page.until("report.explorer.at.model === 14")
    assert page.processor_seconds() - taken < 0.5
    mistakes = "document.querySelectorAll('#mistakes details[open] .mistake').length"
    assert page.run(mistakes) == 8
    page.run("document.querySelector('.all-mistakes').click()")
    assert page.run(mistakes) > 100
