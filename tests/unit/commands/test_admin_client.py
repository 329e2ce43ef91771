"""What the admin client makes of the address that it is given."""

from __future__ import annotations

import pytest

from services.commands.admin_client import AdminClient
from switchhook.errors import ConfigError

NO_ADDRESSES = ["http://[", "ftp://host", "http://", "http://host:0", "http://host:x", "//"]
NO_ADDRESSES += ["http://a..b", "http://a b", f"http://{'a' * 300}", "http://host/ü"]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ConfigError, match="must be like http"):
        AdminClient(url, "token")
