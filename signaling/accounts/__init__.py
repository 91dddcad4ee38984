"""People, bodies, units, roles: the rules, the records, and the pages over them."""
