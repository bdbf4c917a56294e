"""Pages for people on the HTTP port: a person's own choices, and explanations for authors."""
