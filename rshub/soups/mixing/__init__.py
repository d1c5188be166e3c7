"""Many soups from one model in memory. The only files of this room that know torch."""
