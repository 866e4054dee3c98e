"""What every service needs and none owns: the only code that services share. It imports no service.

A service's __main__.py is wiring in one straight line:

    async def serve(settings: QueueSettings, life: Lifecycle) -> None:
        engine = create_engine(settings.database_url.get_secret_value(), name="queue serve")
        life.on_stop("database", engine.dispose)
        trace_sql(engine)
        bus = Bus(settings.nats_url.get_secret_value(), name="queue serve", replicas=settings.nats_replicas)
        life.on_stop("bus", bus.close)
        life.spawn("bus", bus.open("queue"))
        life.spawn("outbox relay", Relay(engine, bus).run())

        verdicts = Subscribing("moderation", "queue-verdicts", ("moderation.verdict.reached.v1",), batch=64, workers=1)
        life.consume(Consumer(bus, verdicts, functools.partial(events.on_verdicts, engine, utc_now)))

        token = settings.service_token.get_secret_value
        people = async_channel(settings.directory_address, [DIRECTORY], token, authority=settings.tls_authority)
        life.on_stop("directory channel", people.close)

        health = Health({"database": lambda: check_database(engine), "nats": bus.check})
        server = RpcServer.of(settings, health)
        server.add(add_QueueServiceServicer_to_server, QueueServicer(engine, utc_now), QUEUE)
        await server.start()
        life.on_stop("grpc", lambda: server.stop(5))
        await life.observe(health)
        await life.until_stopped()


    if __name__ == "__main__":
        raise SystemExit(run_service("queue", [Process("serve", "answer gRPC", QueueSettings, serve)]))

with QUEUE = queue_pb2.DESCRIPTOR.services_by_name["QueueService"]. run_service adds `migrate` and `--check-config`.
Actions open `async with transaction(engine) as connection`, raise errors of kit.errors, and tell the others by
`await add_event(connection, "queue.message.submitted.v1", message)`; handlers get a sequence of events and ask
`await first_times(connection, durable, ids)` in the transaction of their effect.
"""
