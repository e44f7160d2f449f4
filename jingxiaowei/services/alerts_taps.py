"""A tap on a card in WeCom: the member behind it claims, if they are an officer."""

import logging
from datetime import UTC, datetime

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.alerts_values import AlertConflictError, AlertMissingError
from jingxiaowei.services.alerts_work import AlertDesk
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.notices import About, Matter, Notices
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.tickets import TicketConflictError, TicketMissingError, Tickets
from jingxiaowei.store.engine import Database

log = logging.getLogger(__name__)


class CardTaps:
    """Takes taps. WeCom may bring one again: a claim that is ours already stays ours."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        officers: Officers,
        desk: AlertDesk,
        tickets: Tickets,
        notices: Notices,
    ) -> None:
        self._database = database
        self._bell = bell
        self._officers = officers
        self._desk = desk
        self._tickets = tickets
        self._notices = notices

    async def take(self, userid: str, card: str, key: str, response_code: str) -> bool:
        """Claim for the member who tapped; whether it was theirs to claim, and is theirs now."""
        officer = await self._officers.by_wecom_userid(userid)
        matter = Matter.parse(key)
        if officer is None or matter is None:
            log.info("a tap that is no officer's claim was left out")
            return False
        won = False
        try:
            won = await self._claim(officer, matter)
        except (
            PermissionDeniedError,
            AlertConflictError,
            AlertMissingError,
            TicketConflictError,
            TicketMissingError,
        ) as refusal:
            log.info("a tap claimed nothing: %s", type(refusal).__name__)
        # Won or lost, the card must say who has it; the tap's own code is the one that works.
        async with self._database.write() as connection:
            await self._notices.note_code(connection, card, userid, response_code)
            await self._bell.announce(connection, Stage.ALERTS)
        self._bell.ring(Stage.ALERTS)
        return won

    async def _claim(self, officer: Signed, matter: Matter) -> bool:
        now = datetime.now(UTC)
        if matter.about is About.ALERT:
            return (await self._desk.claim(officer, matter.id, now)).won
        await self._tickets.claim(officer, matter.id, now)
        return True
