"""The page about a front: one HTML file for people who are no specialists."""
