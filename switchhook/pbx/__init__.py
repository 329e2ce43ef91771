"""PBX: the authenticated way to one 3CX phone system."""

from switchhook.pbx.access import PbxAccess
from switchhook.pbx.download import Download
from switchhook.pbx.session import PbxSession

__all__ = ["Download", "PbxAccess", "PbxSession"]
