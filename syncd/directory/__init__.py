"""Read members from LDAP directories. From the top: `directories` (all), `directory` (one), `expand` (its sources).

One source is a `walk`; the entries behind its values come from `lookup` and `everybody`, are told apart by `kinds`,
`entries` and `groups`, and added to by `whole`, `primary` and `foreign` (with `sids`). Who is asked: `search`, through
`opening`, `connection`, `binding`, `strategy` and `request`, or `ldif` and `filter`. `discover`, `must_see` and `check`
use them.
"""
