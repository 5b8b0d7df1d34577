import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.errors import InputError
from reset_pl.report.report import write_report
from reset_pl.training_record import TrainingStep, append_steps
from tests.synthetic_run import HOSTILE, TRAIN_SETS, write_round, write_stage

CHROMIUM = Path("/usr/bin/chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no headless Chromium at {CHROMIUM}")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND",
]  # fmt: skip
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """The page as a browser reads it: which elements there are, whether they nest, what text stands in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _page(run_dir: Path) -> Page:
    page = Page(write_report(run_dir).read_text(encoding="utf-8"))
    assert page.open == []
    return page


def _has_only_our_script(page: Page) -> bool:
    """One script that runs, the last; the others are data."""
    *data, ours = page.all("script")
    return ours == {} and all(attributes.get("type") == "text/plain" for attributes in data)


def test_the_whole_report_is_one_well_formed_file(run_dir: Path) -> None:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    page = _page(run_dir)
    assert not {"img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert _has_only_our_script(page)
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert (value or "").startswith(("#", "data:"))
    assert "url(" not in path.read_text()
    assert "@import" not in path.read_text()
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    code = re.search(r"<script>(.*?)</script>", path.read_text(), re.DOTALL)
    assert code is not None
    digest = base64.b64encode(hashlib.sha256(code[1].encode()).digest()).decode()
    assert (policy["content"] or "").startswith(f"default-src 'none'; script-src 'sha256-{digest}'; require-trusted-")
    assert list(run_dir.glob("*.tmp")) == []


def _set_declines(run_dir: Path, declined: float, unanswerable: float | None) -> None:
    """Write the shares into every stage's question sets and averages."""

    def score(mean: float | None) -> dict[str, float] | None:
        return None if mean is None else {"mean": mean, "low": mean, "high": mean}

    for path in run_dir.glob("evaluation/*.json"):
        content = json.loads(path.read_text())
        shares = {"declined": score(declined), "declined_unanswerable": score(unanswerable)}
        content["macro"] |= shares
        for entry in content["datasets"].values():
            entry |= shares if entry["group"].endswith("_qa") else dict.fromkeys(shares)
        path.write_text(json.dumps(content))


def test_declines_are_shown_where_there_are_any(run_dir: Path) -> None:
    def scores() -> str:
        return write_report(run_dir).read_text().partition('<section id="candidates"')[0]

    before = scores()
    assert "declin" not in before.lower()
    _set_declines(run_dir, 0.0, None)
    assert scores() == before
    _set_declines(run_dir, 0.0625, 0.9375)
    text = " ".join(_page(run_dir).text)
    assert "Task score, length and declines" in text
    assert "honest declines" in text
    assert text.count(".94") >= 4 * 2  # each of the four question sets, before and after


def test_a_round_in_which_judges_could_not_decide_is_warned_of(run_dir: Path) -> None:
    text = " ".join(_page(run_dir).text)
    assert "of the best one, of 3 = 1 task + 2 faithfulness or instruction." in text
    assert "Warning" not in text
    manifest = run_dir / "rounds" / "round-001" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["mean_score_per_dataset"]["mini_nq"] = {"best": 0.0, "random": 0.0, "gold": 2.0}
    manifest.write_text(json.dumps({**content, "left_out": {"none_declined": 5}}))
    text = " ".join(_page(run_dir).text)
    assert text.count("Warning: the judges cannot tell the candidates of mini_nq apart") == 1
    assert "unanswerable, but no candidate said so" in text


def test_it_says_what_the_run_achieved(run_dir: Path) -> None:
    page = _page(run_dir)
    text = " ".join(page.text)
    assert re.search(r"Faithfulness rose from \.\d\d to \.\d\d; instruction following", text)
    for heading in ("The trade-off", "Every stage, as in Table 4", "Test set by test set", "The rounds", "Settings"):
        assert heading in text
    for name in TRAIN_SETS:
        assert name in text
    assert "python -m reset_pl fit --config configs/mini/reset.yaml" in text
    assert "judges failed" in text
    assert "# <b>bold</b>" in text


def test_a_star_that_is_not_at_one_one_is_said_to_show_the_way(run_dir: Path) -> None:
    text = " ".join(_page(run_dir).text)
    assert "towards the North Star" in text
    assert "the star in the corner only shows the way" in text


def test_hostile_text_is_shown_and_inert(run_dir: Path) -> None:
    assert any(HOSTILE in text for text in _page(run_dir).text)


def test_names_from_files_are_untrusted_too(run_dir: Path) -> None:
    path = run_dir / "rounds" / "round-001" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["left_out"] = {HOSTILE: 3}
    manifest["win_rate"] = {HOSTILE: {HOSTILE: 0.5}}
    manifest["seconds"] = {HOSTILE: 3.0}
    path.write_text(json.dumps(manifest))
    (run_dir / "environment.json").write_text(json.dumps({"host": HOSTILE, "odd": "\ud800", "command": HOSTILE}))
    page = _page(run_dir)
    assert "img" not in {tag for tag, _ in page.tags}
    assert _has_only_our_script(page)


def test_tables_figures_and_headings_can_be_read_aloud(run_dir: Path) -> None:
    page = _page(run_dir)
    order = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert order == ["table", "caption"] * (len(order) // 2)
    pictures = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    assert len(page.all("desc")) == 2 + len(("summac", "rouge"))
    spreads = [picture for picture in pictures if (picture.get("aria-label") or "").startswith("Weighted scores of")]
    assert len(spreads) == 2 * len(TRAIN_SETS)  # of two rounds
    assert len(pictures) == len(page.all("desc")) + len(spreads)
    identities = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(set(identities)) == len(identities)
    labels = {label for _, attributes in page.tags for label in (attributes.get("aria-labelledby") or "").split()}
    assert labels <= set(identities)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("rows", [True, False], ids=["with rows", "without rows"])
def test_after_the_first_evaluation_alone(tmp_path: Path, rows: bool) -> None:
    write_stage(tmp_path, "start", parquet=rows)
    text = " ".join(_page(tmp_path).text)
    assert "at start." in text
    assert "Only start is evaluated so far" in text
    assert "The rounds" not in text


def test_before_any_evaluation(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed_everything: 1\n")
    assert "Nothing evaluated yet" in " ".join(_page(tmp_path).text)


def test_a_round_that_still_runs(run_dir: Path) -> None:
    path = write_round(run_dir, 2, status="running", parquet=False)
    (path / "manifest.json").write_text(json.dumps({"round": 2, "status": "running"}))
    text = " ".join(_page(run_dir).text)
    assert "round 2 (running)" in text
    assert "Round 2 is not shown: its candidates are shown once it has ended." in text


@pytest.mark.parametrize(
    "missing",
    [
        "environment.json", "config.yaml", "rounds", "evaluation", "evaluation/start.json", "evaluation/mtl.json",
        "evaluation/mtl.parquet", "rounds/round-001/verdicts.parquet", "rounds/round-001/prompts.parquet",
        "rounds/round-001/candidates.parquet", "rounds/round-001/manifest.json",
    ],
)  # fmt: skip
def test_it_is_written_whatever_is_missing(run_dir: Path, missing: str) -> None:
    path = run_dir / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "Settings" in " ".join(_page(run_dir).text)


def test_null_scores_are_dashes(run_dir: Path) -> None:
    for path in (run_dir / "evaluation").glob("*.json"):
        content = json.loads(path.read_text())
        for entry in content["datasets"].values():
            entry |= dict.fromkeys(("faithfulness", "task", "instruction", "length"))
        content["macro"] = dict.fromkeys(content["macro"])
        path.write_text(json.dumps(content))
    assert "Evaluated at round 1." in " ".join(_page(run_dir).text)


def test_a_broken_file_is_named_in_the_report(run_dir: Path) -> None:
    (run_dir / "evaluation" / "round-000.json").write_text("{")
    assert "evaluation/round-000.json could not be read" in " ".join(_page(run_dir).text)


def test_what_could_not_be_read_is_said_on_the_terminal(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(run_dir)
    assert capsys.readouterr().err == ""
    (run_dir / "evaluation" / "mtl.json").write_text("{")
    (run_dir / "evaluation" / "start.parquet").write_bytes(b"PAR1 no more")
    (run_dir / "rounds" / "round-000" / "candidates.parquet").unlink()
    write_report(run_dir)
    said = capsys.readouterr().err.splitlines()
    for name in ("evaluation/mtl.json", "evaluation/start.parquet", "candidates.parquet"):
        assert any(line.startswith("report: ") and name in line for line in said), (name, said)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected the directory of a run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writing_it_loads_no_training_library() -> None:
    code = "import sys, reset_pl.report.report; print(sorted({'torch', 'lightning', 'matplotlib'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def _browse(path: Path, tmp_path: Path) -> tuple[str, list[str], list[str]]:
    """Open a page offline in Chromium.

    Returns:
        The document after loading, the console's lines, and the hosts that the page asked.
    """
    log = tmp_path / "net.json"
    result = subprocess.run(
        [
            str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    events = json.loads(log.read_text())["events"]
    asked = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    hosts = {urlsplit(url).hostname or "" for url in asked if not url.startswith(("file:", "data:"))}
    # The browser itself asks for updates and the time; that is not the page's doing.
    return result.stdout, console, sorted(host for host in hosts if not host.endswith(("google.com", "googleapis.com")))


@needs_chromium
@pytest.mark.integration
def test_chromium_opens_it_offline_without_error_or_request(run_dir: Path, tmp_path: Path) -> None:
    document, console, asked = _browse(write_report(run_dir), tmp_path)
    assert "<title>run: Faithfulness rose" in document
    assert "&lt;script&gt;document.title" in document
    assert "<script>document.title" not in document
    assert console == []
    assert asked == []


@needs_chromium
@pytest.mark.integration
def test_chromium_runs_and_loads_nothing_even_if_escaping_failed(run_dir: Path, tmp_path: Path) -> None:
    path = write_report(run_dir)
    path.write_text(path.read_text().replace("</main>", f"{HOSTILE}</main>"))
    document, console, asked = _browse(path, tmp_path)
    assert "<script>document.title" in document
    assert "pwned</title>" not in document
    assert any("Content Security Policy" in line for line in console)
    assert asked == []


@needs_chromium
@pytest.mark.integration
def test_a_page_without_these_guards_would_have_been_caught(tmp_path: Path) -> None:
    path = tmp_path / "bare.html"
    text = HOSTILE.replace("alert(1)", "console.log(`here`)")  # a dialog would wait for somebody to close it
    path.write_text(f"<title>run</title>{text}")
    document, console, asked = _browse(path, tmp_path)
    assert "<title>pwned</title>" in document
    assert any("here" in line for line in console)
    assert asked == ["planted.invalid"]


# ---------------------------------------------------------------------- what there is of training


def test_training_curves_of_whole_and_older_runs(run_dir: Path) -> None:
    assert 'id="training"' not in write_report(run_dir).read_text()  # of a version that wrote no training.jsonl
    append_steps(run_dir, [TrainingStep(step=n, stage="round-001", loss=1.0, lr=1e-3) for n in (451, 452)])
    with (run_dir / "training.jsonl").open("a") as file:
        file.write('{"step": 453, "sta')  # being written
    text = " ".join(_page(run_dir).text)
    assert "Steps 1 to 450 were not recorded." in text
    assert "The model was tuned on what was kept, for 2 optimizer steps." in text


def test_a_newcomer_reads_what_was_done_and_where_to_look(run_dir: Path) -> None:
    page = _page(run_dir)
    text = " ".join(page.text)
    assert re.search(r"In 2 rounds the model wrote [\d,]+ answers of its own to [\d,]+ training prompts", text)
    assert re.search(r"Of 360 grounded test answers, \d+ are more faithful than at MTL, \d+ less so", text)
    links = {attributes.get("href") for attributes in page.all("a")}
    assert {"#changed", "#candidates", "#settings"} <= links
    identities = {attributes.get("id") for _, attributes in page.tags}
    assert {(link or "")[1:] for link in links} <= identities
    assert "python -m reset_pl why mini_instruct/0000 --run" in text


def test_changed_answers_show_gains_and_losses_and_hostile_text_inert(run_dir: Path) -> None:
    for stage in ("mtl", "round-001"):
        path = run_dir / "evaluation" / f"{stage}.parquet"
        rows = pq.read_table(path).to_pylist()
        worse = stage == "round-001"
        for number, row in enumerate(rows[:2]):
            row |= {"text": f"{HOSTILE} {stage}\x1b\u202e", "faithfulness": float((number == 0) == worse)}
        pq.write_table(pa.Table.from_pylist(rows), path)
    page = _page(run_dir)
    text = " ".join(page.text)
    assert "rose: faithfulness .00 → 1.00" in text
    assert "fell: faithfulness 1.00 → .00" in text
    assert rf"{HOSTILE} round-001\x1b\u202e" in text
    assert _has_only_our_script(page)


def test_a_round_that_was_cut_short_and_an_empty_one(run_dir: Path) -> None:
    empty = write_round(run_dir, 2, parquet=False)
    for table in ("prompts", "candidates", "verdicts", "selected"):
        rows = pq.read_table(run_dir / "rounds" / "round-001" / f"{table}.parquet")
        pq.write_table(rows.slice(0, 0), empty / f"{table}.parquet")
    (empty / "manifest.json").write_text(json.dumps({"round": 2, "status": "complete", "counts": {}}))
    (run_dir / "rounds" / "round-001" / "verdicts.parquet").write_bytes(b"PAR1 and no more")
    text = " ".join(_page(run_dir).text)
    assert "In 2 rounds the model wrote" in text
    assert "How the weighted scores are spread" in text  # of round 0
