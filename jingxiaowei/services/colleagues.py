"""Who works here: for pages on which an officer chooses another."""

from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role


class Colleagues:
    def __init__(self, database: Database, officers: Officers) -> None:
        self._database = database
        self._officers = officers

    async def everybody(self) -> dict[int, Signed]:
        """Police and auxiliaries by id, whoever ever had an account: who left is handed over."""
        async with self._database.read() as connection:
            known = await self._officers.names(connection)
        working = (Role.POLICE, Role.AUXILIARY)
        return {id_: who for id_, who in sorted(known.items()) if who.role in working}
