"""Who did what: the trail of accounts in the database, and the chain of kep calls in a file.

trail, reader, anchoring    rows of the database, and their hashes in the chain
writer, calls               the chain (`recording_policy.audit`): no kep call without it
private_store               what may be erased: keys of pseudonyms, secrets of receipts
receipts, receipt_pages     what a participant of a call takes home
verb_guard                  doors that do not exist for kep rooms
"""
