"""`switchhook doctor`: reaches everything that Switchhook needs, and says what is wrong and what to do about it."""
