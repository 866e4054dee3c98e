"""What every service needs and none owns: the only code that services share. It imports no service.

A service's __main__.py is wiring in one straight line; services/reports/__main__.py is the shortest whole one.
run_service adds `migrate` and `--check-config`, and sets up logs and telemetry before anything else runs.

Actions open `async with transaction(engine) as connection`, raise errors of kit.errors, and tell the others by
`await add_event(connection, "queue.message.submitted.v1", message)`; handlers get a sequence of events and ask
`await first_times(connection, durable, ids)` in the transaction of their effect.
"""
