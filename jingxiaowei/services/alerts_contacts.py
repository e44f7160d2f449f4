"""How a resident can be reached: given for one alert, kept with it, used for nothing else."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.normalise import compact
from jingxiaowei.services.alerts import Alerts
from jingxiaowei.services.alerts_values import CONTACT_BODY
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.current import Content
from jingxiaowei.services.notices import Matter, Notices, in_line
from jingxiaowei.store.alert_tables import ALERT, CONTACT, IS_OPEN
from jingxiaowei.store.engine import Database


class Contacts:
    """Keeps what residents give, in the turn's transaction."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        content: Content,
        alerts: Alerts,
        notices: Notices,
    ) -> None:
        self._database = database
        self._bell = bell
        self._content = content
        self._alerts = alerts
        self._notices = notices

    async def give(
        self,
        connection: AsyncConnection,
        conversation_id: str,
        now: datetime,
        **given: str,
    ) -> bool:
        """The resident gave ``name`` or what a :class:`.Contact` holds: it is kept with the open
        alerts of the conversation, and a town we know moves them there. Whether there was one."""
        rows = (
            await connection.execute(
                select(ALERT.c.id).where(
                    ALERT.c.conversation_id == conversation_id, ALERT.c.subject == "", IS_OPEN
                )
            )
        ).all()
        given = {name: value.strip()[:200] for name, value in given.items() if value.strip()}
        if not rows or not given:
            return False
        cipher = self._database.cipher
        area = self._area(given.get("town", ""))
        for row in rows:
            old = (
                await connection.execute(select(CONTACT.c.body).where(CONTACT.c.alert_id == row.id))
            ).scalar()
            known = cipher.open_json(CONTACT_BODY, old) if old else {}
            sealed = cipher.seal_json(CONTACT_BODY, known | given)
            put = self._database.insert(CONTACT)
            await connection.execute(
                put.on_conflict_do_update(
                    index_elements=["alert_id"], set_={"body": put.excluded.body, "at": now}
                ),
                [{"alert_id": row.id, "body": sealed, "at": now}],
            )
            moved = {"area": area} if area else {}
            await connection.execute(
                update(ALERT).where(ALERT.c.id == row.id).values(updated_at=now, **moved)
            )
            await self._alerts.note(connection, row.id, "contact", now)
            if area:
                people = await in_line(connection, area, 0, now)
                await self._notices.enqueue(connection, Matter.alert(row.id), "new", people, now)
        await self._bell.announce(connection, Stage.ALERTS)
        return True

    def _area(self, town: str) -> str:
        """The area that a town's name means, or empty: 武原, 武原街道."""
        named = compact(town)
        for area in self._content.library.areas.values():
            short = compact(area.name).removesuffix("街道").removesuffix("镇")
            if short and not area.desk and short in named:
                return area.id
        return ""
