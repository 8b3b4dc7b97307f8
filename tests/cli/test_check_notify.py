"""What `check` says of those who are to be told of held plans, without telling them anything."""

from __future__ import annotations

from pathlib import Path

from tests.cli.holding import Holding
from tests.servers.notices import Hook, PostOffice


def test_check_tries_whom_to_tell(tmp_path: Path) -> None:
    """A webhook that is there and a mail server that is not each have a line; nothing is posted or sent."""
    place = Holding(tmp_path)
    place.members([3])
    with Hook() as hook, PostOffice() as office:
        webhook = {"url": f"http://127.0.0.1:{hook.port}/s3cret"}
        mail = {"server": "127.0.0.1", "port": office.port, "from": "syncd@x.org", "to": ["ops@x.org"]}
        place.configure(notify={"webhook": webhook, "mail": mail})
        good = place.syncd("check")
        assert place.syncd("check", "--offline").code == 0
    bad = place.syncd("check")
    assert (good.code, bad.code) == (0, 1)
    assert f"ok    notify: the webhook at 127.0.0.1:{hook.port} answers; nothing was posted" in good.out
    assert f"ok    notify: the mail server 127.0.0.1:{office.port} takes mail from us; nothing was sent" in good.out
    assert bad.out.count("FAIL  notify: ") == 2
    assert "s3cret" not in good.out + bad.out
    assert (hook.posts, office.mails) == ([], [])
