"""The database or server that is written to, and the study's experiment in it."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from textwrap import shorten

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from aib.errors import AibError
from aib.terminal import without_passwords

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
SQLITE = "sqlite:///"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the database in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{DATABASE}"


def shown(uri: str) -> str:
    """As a person knows it."""
    return without_passwords(uri).removeprefix(SQLITE)


def database_of(uri: str) -> Path | None:
    """The file of a local database; None for a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def connect(uri: str) -> MlflowClient:
    """A client, after a look at what a local database is."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if path := database_of(uri):
        _check_database(path)
    return MlflowClient(tracking_uri=uri)


def _check_database(path: Path) -> None:
    """Raise unless `path` is, or can become, a database of MLflow that can be written.

    MLflow itself would try for minutes to open what is no database, and add its tables to a
    database of something else.
    """
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        connection.rollback()
    if tables and "alembic_version" not in tables:
        raise sqlite3.DatabaseError("a database, but not one of MLflow")


@contextmanager
def errors_as_one_line(uri: str) -> Iterator[None]:
    """What goes wrong with the store, as an `AibError` that says what to do."""
    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, sqlite3.Error) as error:
        remedy = "set MLFLOW_TRACKING_URI to a running server, or unset it to use mlflow.db"
        if uri.startswith("sqlite:"):
            remedy = "make it writable, or move it away and import again: it mirrors the records"
        reason = str(error).strip().splitlines()[0].rsplit("(Caused by ", 1)[-1].rstrip(")")
        reason = shorten(without_passwords(reason), 160, placeholder=" …")
        raise AibError(f"{shown(uri)}: MLflow cannot be used ({reason}); {remedy}") from None


def open_experiment(client: MlflowClient, uri: str, name: str) -> str:
    """Id of the experiment of that name, made or restored."""
    found = client.get_experiment_by_name(name)
    if found is None:
        found = client.get_experiment(client.create_experiment(name))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if database := database_of(uri):
        _keep_files_beside(database, found.experiment_id)
    return found.experiment_id


def _keep_files_beside(database: Path, experiment: str) -> None:
    """Let an experiment's files lie beside the database, under a path as relative as its own.

    MLflow makes any path absolute, and no model would load after the project has moved. It reads
    a relative one as it is, and each run takes its path from its experiment when it is made.
    """
    place = (database.parent / ARTIFACTS / experiment).as_posix()
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ?1 "
            "WHERE experiment_id = ?2 AND artifact_location != ?1",
            (place, int(experiment)),
        )


def set_tags(client: MlflowClient, experiment: str, tags: dict[str, str]) -> None:
    """Set those tags of an experiment that are not so already."""
    there = client.get_experiment(experiment).tags
    for name, value in tags.items():
        if there.get(name) != value:
            client.set_experiment_tag(experiment, name, value)
