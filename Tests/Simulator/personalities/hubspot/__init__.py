"""HubSpot: contacts, companies, deals, their properties and associations, search, tokens and rate limits.

Written from the vendor's documentation as `providers.md` 1.1 names it, not from Pushgate's code. See the README.
"""

from .personality import Personality

__all__ = ["Personality"]
