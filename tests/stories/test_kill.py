"""The short soak: killed at random moments, nothing is lost and nothing is said twice."""

from pathlib import Path

from tests.bench.soak import soak


async def test_a_killed_product_loses_and_doubles_nothing(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/soak.db"
    report = await soak(tmp_path, url, messages=150, kills=3, impatient=True)
    assert report.good, str(report)
    assert report.stored == 150
    assert report.alone > 0
