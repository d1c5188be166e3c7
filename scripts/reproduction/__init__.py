"""The paper's text figures again, on tiny models: what is trained, what is measured, and which claims hold here."""
