"""Can these poses be trusted: compared with others, by their views, their scale, their map."""
