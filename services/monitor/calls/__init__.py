"""The pure core: what a PBX shows, turned into events of calls."""
