"""`explain`: why a user has a mailbox or not, from the line of the configuration to what the next run does."""

from __future__ import annotations

from typing import Annotated

import typer

from syncd.cli.options import As, Config, Context, Output, in_shell, opened, out, print_json, say, spinner

User = Annotated[
    str | None,
    typer.Argument(metavar="[USER]", help="Login, id, mail address or DN of the entry; without it everybody."),
]
Named = Annotated[str | None, typer.Argument(metavar="[MAILBOX]", help="The mailbox; without it all of the user's.")]
Mailbox = Annotated[
    str | None, typer.Option("--mailbox", help="The same; alone it explains everybody of the mailbox.", metavar="M")
]


def explain(
    config: Config,
    user: User = None,
    named: Named = None,
    mailbox: Mailbox = None,
    context: Context = None,
    output: As = Output.TEXT,
) -> None:
    """Explain why a user has a mailbox, or has it not.

    USER MAILBOX shows the whole chain, USER alone a line for every mailbox of the user, --mailbox M alone a line for
    everybody of the mailbox. Nothing is written.
    """
    from syncd.cli.explained import document, show  # noqa: PLC0415 - `--help` must not wait for it
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.explain import explain as explanation  # noqa: PLC0415

    if named is not None and mailbox is not None:
        raise typer.BadParameter("the mailbox is named already", param_hint="--mailbox")
    address = named if named is not None else mailbox
    if user is None and address is None:
        raise typer.BadParameter("name a user, a mailbox by --mailbox, or both", param_hint="USER")
    with opened(config) as instance:
        with spinner("reading the directory and Open-Xchange"):
            answer = explanation(instance.reconciler, instance.settings, user, address, context)
        mailboxes = {one.mailbox.key for one in answer.cases}
    if output is Output.JSON:
        print_json(document(answer))
    else:
        show(answer, out(), config=in_shell(config), whole=user is not None and address is not None)
    if user is not None and address is None and not answer.found:
        say(f"{user} has nothing to do with any mailbox that is known")
        if collation_key(user) in mailboxes:
            command = f"syncd explain --mailbox {in_shell(user)} -c {in_shell(config)}"
            say(f"  it is a mailbox; everybody of it: {command}")
