"""What tests need to know about a signed-in phone beside its routes."""

from __future__ import annotations

from sync_server.platform.tokens import CurrentUser
from tests.support.app import Phone, Server


async def user_no_of(server: Server, phone: Phone) -> int:
    """Return the account number of a signed-in phone."""
    async with server.platform.database.read() as tx:
        return int(
            await tx.fetch_value("SELECT user_no FROM app_user WHERE user_id = ?", phone.user_id)
        )


async def renew(server: Server, phone: Phone) -> None:
    """Give the phone a fresh access token after the test has moved the clock."""
    user = CurrentUser(await user_no_of(server, phone), phone.user_id, phone.client_id)
    phone.headers["Authorization"] = f"Bearer {server.platform.signer.access_token(user)}"
