"""The only door from outside: the web UI, REST, the providers' webhooks.

Owns accounts, sessions, view preferences, uploaded recipient lists and the throttling of sign-ins. Everything else it
asks of the other services, in the name of the person who is signed in: each request looks up who that is and what they
may see, and carries it in a token of a minute. It answers no RPC, and neither emits nor consumes events.

    request → session → directory.GetViewer → permission of the route → RPCs with the viewer's token → page or JSON
"""
