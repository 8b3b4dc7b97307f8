"""Stored passwords written again that Open-Xchange cannot read as they are: `syncd reseal`, apart from its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.byhand.asking import Exit, HandError
from syncd.byhand.work import NOT_SO, Done, Hand
from syncd.core.changes import Op
from syncd.core.model import Account, Mailbox, Secret
from syncd.openxchange.edit import AccountChange, EditsAccounts, ServerChange
from syncd.openxchange.stored import KnowsPasswords, Stale

DOUBTFUL = (
    "the configured key opens none of the stored passwords, so nothing was overwritten: is it the key of this cluster "
    "(com.openexchange.sessiond.encryptionKey)? If it is, --force writes the mapping's passwords instead"
)


def reseal(hand: Hand, mailbox: Mailbox, *, force: bool = False) -> Done:
    """Write stored passwords of claimed accounts again that Open-Xchange does not read as they are.

    | a text that the key opens in no format      | becomes                                        |
    |---------------------------------------------|------------------------------------------------|
    | the mapping has no password for it          | nothing: the user is refused                   |
    | it has, and the key opens others            | the mapping's password                         |
    | it has, and the key opens none of them all  | nothing: the key is doubted; unless by `force` |

    Raises:
        HandError, StoreError, LedgerError: as of `create`.
    """
    store = hand.store
    if not (isinstance(store, EditsAccounts) and isinstance(store, KnowsPasswords)):
        raise HandError(NOT_SO, code=Exit.OTHER, hint="set openxchange.write_with: sql")
    account = (
        configured.account if (configured := hand.configured(mailbox.context, mailbox.address)) else mailbox.account
    )
    with hand.writing("reseal", (mailbox.ref, mailbox.address)) as work:
        claims = {user: one for user, one in hand.ledger.claims().get(mailbox.ref, {}).items() if one.held}
        places = [(user, claim.account) for user, claim in claims.items()]
        sifted = store.stale(mailbox.context, mailbox.key, places)
        if sifted.stale and not sifted.opened and not force and (account.password or account.transport_password):
            return Done(refused={one.user: DOUBTFUL for one in sifted.stale})
        parts, refused = _parted(sifted.stale, account)
        done = Done()
        for change, stale in parts:
            changes = [hand.change(Op.UPDATE, mailbox, one.user, claims[one.user].login, one.account) for one in stale]
            done = work.edited(store, mailbox, changes, change)
        return replace(done, refused={**refused, **(done.refused or {})})


def _parted(stale: Sequence[Stale], account: Account) -> tuple[list[tuple[AccountChange, list[Stale]]], dict[int, str]]:
    """Group accounts by the passwords that are written again; give also the users with one that nobody knows."""
    groups: dict[tuple[Secret | None, Secret | None], list[Stale]] = {}
    refused: dict[int, str] = {}
    for one in stale:
        mail = account.password if "mail" in one.lost else one.mail
        transport = account.transport_password if "transport" in one.lost else one.transport
        if ("mail" in one.lost and mail is None) or ("transport" in one.lost and transport is None):
            refused[one.user] = "a stored password cannot be decrypted, and the mapping has none to write instead"
        if mail is not None or transport is not None:
            groups.setdefault((mail, transport), []).append(one)
    parts = [
        (AccountChange(mail=ServerChange(password=mail), transport=ServerChange(password=transport)), some)
        for (mail, transport), some in groups.items()
    ]
    return parts, refused
