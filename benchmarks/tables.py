"""Put the results of ``imtalker bench --json`` into ``benchmarks/README.md``.

Usage: python benchmarks/tables.py [RESULT.json ...]   (default: all in benchmarks/results)
"""

import json
import sys
from pathlib import Path

from imtalker.bench.tables import summary_table, text_tables

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def fill(page: str, reports: list[dict]) -> str:
    """The page with everything between the two marks replaced."""
    head, found, rest = page.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not (found and closed):
        raise SystemExit(f"README.md lacks {BEGIN} or {END}")
    parts = [summary_table(reports)]
    for report in reports:
        where = report["machine"].get("gpu") or report["machine"]["processor"]
        parts.append(f"### {report['preset']}, {report['dtype']}, {where}\n\n{text_tables(report)}")
    return f"{head}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{tail}"


def main(names: list[str]) -> None:
    """Rewrite the page."""
    files = [Path(name) for name in names] or sorted((FOLDER / "results").glob("*.json"))
    if not files:
        raise SystemExit("no results: run imtalker bench --json benchmarks/results/NAME.json first")
    page = FOLDER / "README.md"
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    page.write_text(fill(page.read_text(encoding="utf-8"), reports), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
