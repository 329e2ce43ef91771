"""RPC: the one contract between services, both ends of it, and events as bytes."""

from switchhook.rpc.channel import open_channel
from switchhook.rpc.codec import decode, encode
from switchhook.rpc.encryption import Encryption
from switchhook.rpc.publish import Backlog, Publisher
from switchhook.rpc.received import Received
from switchhook.rpc.server import serve_publish

__all__ = ["Backlog", "Encryption", "Publisher", "Received", "decode", "encode", "open_channel", "serve_publish"]
