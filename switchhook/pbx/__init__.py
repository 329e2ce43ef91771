"""PBX: the authenticated way to one 3CX phone system."""

from switchhook.pbx.access import PbxAccess
from switchhook.pbx.download import Download
from switchhook.pbx.session import PbxSession
from switchhook.pbx.token import Token
from switchhook.pbx.tokens import TokenPlace

__all__ = ["Download", "PbxAccess", "PbxSession", "Token", "TokenPlace"]
