"""Mail servers, seen from outside: whether the logins that accounts are written with would be taken.

Begin with `check`; `imap` and `smtp` each make one login over what `connection` opens, `words` says why it failed.
"""
