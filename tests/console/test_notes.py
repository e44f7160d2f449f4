"""What stands beside a tag, and what takes another's place: by forms alone."""

import re

from jingxiaowei.services.suggestions import Raised
from tests.console.conftest import Hands
from tests.console.test_residents import as_police, current, file_of, suggested


async def test_a_wrong_note_is_put_right_or_taken_back(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    await as_police(at_work)
    held = (await current(at_work.site, path))["business_owner"]
    page = await at_work.post(f"{path}/tags/{held}/note", look="review", reason="本人来电更正")
    assert "依据改好了" in page
    assert "本人来电更正" in page
    again = (await current(at_work.site, path))["business_owner"]
    await at_work.post(f"{path}/tags/{again}/note", look="review", reason="")
    assert at_work.status == 400
    page = await at_work.post(f"{path}/tags/{again}/note", look="review", what="back")
    assert "已列入待复核" in page
    page = await at_work.post(f"{path}/notes", look="review", **{"for": "own"})
    assert "“<bdi>本人来电更正</bdi>”" in page


async def test_a_suggestion_takes_the_place_of_an_older_choice_in_one_tap(at_work: Hands) -> None:
    site, path = at_work.site, file_of(at_work.site, "ma")
    for tag in ("young_adult", "middle_aged"):
        async with site.alarm.database.write() as connection:
            raised = Raised(path[-32:], tag, "words", "我的岁数")
            await site.desk.files.suggestions.raise_many(connection, [raised], site.alarm.now)
        number = await suggested(site, path, tag)
        page = await at_work.get(f"{path}?for=review")
        assert ("记下就去掉“青年居民”" in page) == (tag == "middle_aged")
        instead = re.search(rf'/{number}/confirm".*?name="instead" value="([a-z_,]+)"', page)
        step = f"{path}/suggestions/{number}/confirm?from=work"
        await at_work.post(step, look="review", instead=instead[1] if instead else "")
    held = await current(site, path)
    assert "middle_aged" in held
    assert "young_adult" not in held
