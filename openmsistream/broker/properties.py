"""What Kafka is told: its settings file and its log set-up, as text."""

from __future__ import annotations

from openmsistream.broker.settings import ALL_INTERFACES, WILDCARDS, BrokerSettings, split_address, with_port

LOG_FILE_MB = 10
LOG_FILES_KEPT = 4
"""With the current one, 50 MB of log at most."""


def advertised_address(settings: BrokerSettings, port: int, hostname: str) -> str:
    """The address that clients are told; this machine's name when it listens on all interfaces."""
    if settings.advertised:
        return settings.advertised
    return with_port(hostname if settings.host in WILDCARDS else settings.host, port)


def local_address(settings: BrokerSettings, port: int) -> str:
    """The address where programs of this machine find it."""
    if settings.host in WILDCARDS:
        return with_port("::1" if ":" in settings.host else "127.0.0.1", port)
    return with_port(settings.host, port)


def server_properties(
    settings: BrokerSettings, port: int, controller_port: int, hostname: str, records: str = "data"
) -> str:
    """Kafka's `server.properties` for one process that is broker and controller. Paths are relative to its folder."""
    listeners = [f"PLAINTEXT://{with_port(settings.host, port)}", f"CONTROLLER://127.0.0.1:{controller_port}"]
    advertised = [f"PLAINTEXT://{advertised_address(settings, port, hostname)}"]
    if settings.outside:
        listeners.insert(1, f"OUTSIDE://{with_port(ALL_INTERFACES, split_address(settings.outside)[1])}")
        advertised.append(f"OUTSIDE://{settings.outside}")
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        # The static form: the controller's port may change from one start to the next.
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "log.dirs": records,
        # Our programs make their topics themselves and say so; a mistyped name must not become a topic.
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        "default.replication.factor": 1,
        "log.retention.hours": settings.retention_hours,
        "log.retention.bytes": int(settings.retention_gb * 1e9),
        # Only whole segments are deleted; with 1 GiB (Kafka's own default) a small limit would not be kept.
        "log.segment.bytes": 256 * 1024 * 1024,
        # One node: Kafka's internal topics cannot have the three copies that they want.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        # After kill -9 the new process waits until the old one's registration has run out; 9 s by default. When the
        # process stands still for longer (a suspended machine) it is fenced for a moment and clients try again.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        # Nobody else is about to join: the first consumer need not wait 3 s for others.
        "group.initial.rebalance.delay.ms": 0,
        # A reader that was killed may be missed sooner than after 6 s, when its configuration asks for that.
        "group.min.session.timeout.ms": 1000,
        # 128 MB by default, a quarter of our heap; this is enough for 700,000 keys at a time.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def log4j2_properties() -> str:
    """The log of the broker: one file of bounded size beside a few older ones. Paths are relative to its folder."""
    return f"""\
status = warn
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = logs/broker.log
appender.file.filePattern = logs/broker.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.charset = UTF-8
appender.file.layout.pattern = %d{{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}} %p %c{{1}}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = {LOG_FILE_MB}MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = {LOG_FILES_KEPT}
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""
