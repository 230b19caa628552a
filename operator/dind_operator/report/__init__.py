"""`report`: the information for a bug report, read with the permissions of the user."""
