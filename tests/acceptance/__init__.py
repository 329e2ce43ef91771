"""The product by its command line, against simulated PBXs and a real receiver."""
