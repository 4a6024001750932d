"""The line that a campaign leaves in docs/reliability/LEDGER.md, so that what is claimed is what was run."""

import datetime

import harness

LEDGER = harness.REPO / "docs" / "reliability" / "LEDGER.md"
HEAD = """# Reliability ledger

Campaigns that were run, with what they found. Newest last. Written by the tools themselves.

| date | campaign | settings | acknowledged | violations |
|---|---|---|---|---|
"""


def note(campaign: str, settings: str, acknowledged: str, violations: int):
    """Appends one row; the first one brings the head of the page."""
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    if not LEDGER.exists():
        LEDGER.write_text(HEAD)
    with open(LEDGER, "a") as page:
        page.write(f"| {datetime.date.today()} | {campaign} | {settings} | {acknowledged} | {violations} |\n")
