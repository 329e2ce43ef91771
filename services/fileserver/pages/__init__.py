"""The pages that people see: templates, and what they load."""
