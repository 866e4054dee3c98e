"""All of the queue's SQL. Every function takes the connection of the caller's transaction."""
