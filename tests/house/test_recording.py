from pathlib import Path

from tests.bench.bench_drift import Result, lines
from tests.bench.recording import section


def write(path: Path, title: str, cell: str) -> None:
    section(path, title, command="python -m x", note="Noted.", head=["what", "took"], rows=[["this", cell]])


def test_a_section_is_replaced_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    for title, cell in (("One", "1 s"), ("Two", "2 s"), ("Three", "3 s"), ("Two", "5 s")):
        write(path, title, cell)
    text = path.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Benchmarks", "## One", "## Two", "## Three"]
    assert "| this | 5 s |" in text
    assert "2 s" not in text
    assert text.count("by `python -m x`. Noted.") == 3


def test_a_ratio_of_the_benchmark_is_theirs_by_ours_and_the_peer_has_none() -> None:
    ours = Result("Interlock, everyday", 2.0, 3.5, 4.0, 500.0, {})
    theirs = Result("Evidently", 400.0, 385.0, 404.0, 5_000.0, {})
    first, last = lines([ours], theirs, rows=1_000_000)
    assert first[5:] == ["200 x", "110 x", "101 x", "1/10.0", "≥ 150 x"]
    assert last[5:] == ["", "", "", "", ""]
    assert lines([ours], theirs, rows=1_000)[0][-1] == "", "a small run is held against no target"
