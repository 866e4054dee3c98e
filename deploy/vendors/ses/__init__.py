"""Amazon SES API v2: sending, the account, the suppression list, and the events of what became of each e-mail."""
