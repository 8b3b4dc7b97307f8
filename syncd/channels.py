"""From settings to the ways by which held plans are told of: what `wiring` is for everything else."""

from __future__ import annotations

import shlex

from syncd.announcing import Announcer
from syncd.ledger.ledger import Ledger
from syncd.settings.loading import Settings
from syncd.telemetry.notices import Channel, Mail, MailOptions, Webhook, WebhookOptions


def announcer(settings: Settings, ledger: Ledger) -> Announcer:
    """Give what tells of held plans, and remembers whom it told.

    Raises:
        ConfigurationError: as of `channels`.
    """
    return Announcer(ledger=ledger, channels=channels(settings), config=shlex.quote(str(settings.path)))


def channels(settings: Settings) -> tuple[Channel, ...]:
    """Give the ways by which held plans are told of; none unless the configuration names one.

    Raises:
        ConfigurationError: a secret cannot be read, or is not what belongs there.
    """
    webhook, mail = webhook_options(settings), mail_options(settings)
    return (*(() if webhook is None else (Webhook(webhook),)), *(() if mail is None else (Mail(mail),)))


def webhook_options(settings: Settings) -> WebhookOptions | None:
    """Say where held plans are posted; None = nowhere.

    Raises:
        ConfigurationError: as of `channels`.
    """
    section = settings.notify.webhook if settings.notify else None
    if section is None:
        return None
    return WebhookOptions(
        url=section.target(),
        headers=section.sent(),
        ca=str(section.tls.ca) if section.tls.ca else None,
        verify=section.tls.verify,
        timeout=section.timeout,
    )


def mail_options(settings: Settings) -> MailOptions | None:
    """Say by which server, and to whom, held plans are mailed; None = to nobody.

    Raises:
        ConfigurationError: the password cannot be read.
    """
    section = settings.notify.mail if settings.notify else None
    if section is None:
        return None
    return MailOptions(
        server=section.server,
        port=section.port,
        secure=section.secure,
        starttls=section.starttls,
        ca=str(section.tls.ca) if section.tls.ca else None,
        verify=section.tls.verify,
        login=section.login,
        password=section.password.read() if section.password else None,
        sender=section.sender,
        to=section.to,
        timeout=section.timeout,
    )
