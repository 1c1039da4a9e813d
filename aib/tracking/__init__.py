"""MLflow, as a view of the run records that can be rebuilt at any time.

Training writes plain files and never imports mlflow; this importer, the one writer, reads them.
A study is an experiment, a record is a run. Importing again writes nothing, what has changed is
replaced, and a deleted database comes back with the next import.
"""

import os

# Before mlflow is imported: no telemetry, no two lines of output a run, and a server that is away
# is noticed in seconds, where MLflow would ask for some minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from aib.tracking.importer import import_study

__all__ = ["import_study"]
