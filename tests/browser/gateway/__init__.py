"""The gateway's pages in a browser: one package, so that one browser serves all of it."""
