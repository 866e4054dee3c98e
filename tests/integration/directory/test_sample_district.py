"""The sample district comes in the way a real one would."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.district.__main__ import main as write_district
from services.directory import actions, importing
from services.directory.domain import AudienceQuery, Role
from tests.integration.directory.roster_files import IMPORTER, enable_exclusion

# ruff: noqa: ASYNC240  nothing else runs in this test


async def test_the_whole_sample_district_is_imported_without_a_refused_row(
    directory_engine: AsyncEngine, tmp_path: Path
) -> None:
    write_district(["--out", str(tmp_path), "--students", "300"])
    files = {each.name: each.read_bytes() for each in tmp_path.glob("*.csv")}
    answer = await importing.import_roster(directory_engine, files, "America/New_York", IMPORTER)
    assert list(answer.problems) == []
    await enable_exclusion(directory_engine)
    everyone = AudienceQuery((), (), (Role.PARENT,), (), (), (), "")
    preview = await actions.preview_audience(directory_engine, everyone, actions.DISTRICT_WIDE)
    assert preview.recipients > preview.reachable["email"] > preview.distinct["email"] > 0
    assert len(preview.left_out) == 2, "the excluded school, and people without any way to reach them"
