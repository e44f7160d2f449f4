"""A tap on a card in WeCom: the member behind it claims, if they are an officer."""

import logging
from datetime import UTC, datetime

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.alerts_values import AlertConflictError, AlertMissingError
from jingxiaowei.services.alerts_work import AlertDesk, Claim
from jingxiaowei.services.bell import Bell, Stage
from jingxiaowei.services.notices import Notices
from jingxiaowei.services.officers import Officers
from jingxiaowei.store.engine import Database

CLAIM_KEY = "claim-"
log = logging.getLogger(__name__)


def claim_key(alert_id: int) -> str:
    """The key of a card's button."""
    return f"{CLAIM_KEY}{alert_id}"


class CardTaps:
    """Takes taps. WeCom may bring one again: a claim that is ours already stays ours."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        officers: Officers,
        desk: AlertDesk,
        notices: Notices,
    ) -> None:
        self._database = database
        self._bell = bell
        self._officers = officers
        self._desk = desk
        self._notices = notices

    async def take(self, userid: str, card: str, key: str, response_code: str) -> Claim | None:
        """Claim for the member who tapped. None: no officer, or nothing to claim."""
        officer = await self._officers.by_wecom_userid(userid)
        number = key.removeprefix(CLAIM_KEY)
        if officer is None or key == number or not (number.isascii() and number.isdecimal()):
            log.info("a tap that is no officer's claim was left out")
            return None
        claim = None
        try:
            claim = await self._desk.claim(officer, int(number), datetime.now(UTC))
        except (PermissionDeniedError, AlertConflictError, AlertMissingError) as refusal:
            log.info("a tap claimed nothing: %s", type(refusal).__name__)
        # Won or lost, the card must say who has it; the tap's own code is the one that works.
        async with self._database.write() as connection:
            await self._notices.note_code(connection, card, userid, response_code)
            await self._bell.announce(connection, Stage.ALERTS)
        self._bell.ring(Stage.ALERTS)
        return claim
